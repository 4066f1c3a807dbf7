"""Pretrained weights of the towers: from a file, by a tag, and in one line where they do not fit."""

from unittest.mock import patch

import pytest
import torch
from tiny_models import TINY_CLIP, tiny_config, tiny_model

from schemas.errors import ConfigError
from trainer.model.config import ModelConfig
from trainer.model.towers import build_clip
from trainer.model.weights.pretrained import load_pretrained


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_pretrained_weights_come_from_a_file(tmp_path, suffix):
    source = tiny_model(seed=7).clip.state_dict()
    file = tmp_path / f"weights.{suffix}"
    if suffix == "pt":
        torch.save({"epoch": 3, "state_dict": {f"module.{k}": v.half() for k, v in source.items()}}, file)
    else:
        from safetensors.torch import save_file

        save_file(source, file)
    config = tiny_config(pretrained=str(file))
    clip = build_clip(config)
    load_pretrained(clip, config)
    assert clip.logit_scale.dtype == torch.float32
    torch.testing.assert_close(clip.visual.conv1.weight, source["visual.conv1.weight"], atol=1e-4, rtol=1e-3)


def test_weights_of_another_image_size_resize_the_grid_and_of_another_width_are_refused(tmp_path):
    torch.save(tiny_model().clip.state_dict(), tmp_path / "small.pt")
    larger = {**TINY_CLIP, "vision": {**TINY_CLIP["vision"], "image_size": 64}}
    config = tiny_config(clip=larger, pretrained=str(tmp_path / "small.pt"))
    clip = build_clip(config)
    load_pretrained(clip, config)
    assert len(clip.visual.positional_embedding) == 17
    wider = {**TINY_CLIP, "text": {**TINY_CLIP["text"], "width": 64}}
    config = tiny_config(clip=wider, pretrained=str(tmp_path / "small.pt"))
    with pytest.raises(ConfigError, match=r"does not fit the towers.*width"):
        load_pretrained(build_clip(config), config)


def test_the_wrong_gelu_is_an_error():
    config = ModelConfig(clip="ViT-B-32", pretrained="openai")
    state = {"input_resolution": torch.tensor(224)}
    with (
        patch("trainer.model.weights.pretrained.read_state_dict", return_value=state),
        patch("open_clip.pretrained.download_pretrained", return_value="x.pt"),
        torch.device("meta"),
        pytest.raises(ConfigError, match="use the name with -quickgelu"),
    ):
        load_pretrained(build_clip(config), config)


def test_an_unknown_tag_names_the_known_ones():
    config = ModelConfig(clip="ViT-B-32", pretrained="laion_2b")
    with (
        torch.device("meta"),
        pytest.raises(ConfigError, match=r"neither a file nor a tag.*laion2b_s34b_b79k"),
    ):
        load_pretrained(build_clip(config), config)


def test_weights_that_cannot_be_had_are_one_line():
    with (
        patch("open_clip.pretrained.download_pretrained", side_effect=OSError("no route\nto host")),
        pytest.raises(
            ConfigError,
            match=r"openai cannot be downloaded \(no route to host\); fetch the file.*model.pretrained",
        ),
    ):
        load_pretrained(build_clip(tiny_config()), ModelConfig(clip="ViT-B-32", pretrained="openai"))
    with pytest.raises(ConfigError, match="towers given by size have no tags; give a file"):
        load_pretrained(build_clip(tiny_config()), tiny_config(pretrained="openai"))
