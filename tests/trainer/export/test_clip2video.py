"""A model under the official CLIP2Video names."""

import shlex

import clip2video_reference as reference
import numpy as np
import pytest
import torch
from tiny_models import TINY_CLIP, rough_model, tiny_inputs

from schemas.errors import ConfigError
from trainer.export.clip2video import official_options, official_state, write_clip2video
from trainer.model.weights.official import load_official
from zoetrope.commands.model import convert

ONE_HEAD = {  # as the official code counts heads of towers this narrow
    **TINY_CLIP,
    "vision": {**TINY_CLIP["vision"], "head_width": 32},
    "text": {**TINY_CLIP["text"], "heads": 1},
}


def test_official_weights_come_back_as_they_were(tmp_path):
    """Read, exported and read as data again: the same names and bits, and the official logits."""
    state = reference.state_dict()
    write_clip2video(load_official(state), tmp_path / "out.pt")
    back = torch.load(tmp_path / "out.pt", weights_only=True)
    assert back.keys() == state.keys() - {"frame2t_projection"}  # of the variant sigmoid_mlp alone
    assert all(torch.equal(value, state[name].float()) for name, value in back.items())
    with torch.no_grad():
        got = load_official(tmp_path / "out.pt").similarity(**reference.tensors())
    np.testing.assert_allclose(got.numpy(), reference.outputs()["main/logits"], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "variant",
    [{}, {"center_type": ""}, {"temporal_proj": "sigmoid_mlp", "center_proj": "TAB"}, {"sim_type": "meanP"}],
    ids=str,
)
@torch.no_grad()
def test_the_printed_options_read_the_file_back(tmp_path, variant, capsys):
    model = rough_model(clip=ONE_HEAD, **variant)
    write_clip2video(model, tmp_path / "x.pt")
    arguments = ["official", str(tmp_path / "x.pt"), "-o", str(tmp_path / "back")]
    arguments += shlex.split(official_options(model))
    assert convert.main(arguments) == 0
    from trainer.model.io import load_model

    back = load_model(tmp_path / "back")
    torch.testing.assert_close(
        back.similarity(*tiny_inputs()), model.similarity(*tiny_inputs()), atol=1e-5, rtol=0
    )


def test_the_interaction_module_is_left_out_and_named(tmp_path, caplog):
    model = rough_model(clip=ONE_HEAD, interaction={"enabled": True, "depth": 1})
    write_clip2video(model, tmp_path / "x.pt")
    assert "left out the interaction module" in caplog.text
    assert not [name for name in torch.load(tmp_path / "x.pt", weights_only=True) if "interaction" in name]


def test_towers_that_the_official_code_would_misread_are_refused():
    model = rough_model(clip={**TINY_CLIP, "quick_gelu": False})
    with pytest.raises(ConfigError, match="computes QuickGELU and these towers exact GELU"):
        official_state(model)
    with pytest.raises(ConfigError, match="gives the vision tower 1 attention heads, these have 2"):
        official_state(rough_model())
