"""The command: official and CLIP files to folders that load."""

import clip2video_reference as reference
import make_shards as shards_of
import numpy as np
import pytest
import torch
from tiny_models import tiny_model

from schemas.errors import ConfigError
from trainer.fit.initialise import make_model
from trainer.model.io import load_model
from trainer.model.weights.convert import convert
from zoetrope.commands.model import evaluate, index, search
from zoetrope.commands.model.convert import main


def test_an_official_file_becomes_a_folder_that_gives_the_official_logits(tmp_path, capsys):
    torch.save(reference.state_dict(), tmp_path / "pytorch_model.bin.2")
    code = main(
        [
            "official",
            str(tmp_path / "pytorch_model.bin.2"),
            "-o",
            str(tmp_path / "out"),
            "--center_weight",
            "0.3",
        ]
    )
    assert code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{tmp_path / 'out'}: seqTransf TDB sigmoid_selfA TAB_TDB, D 512, 224 px")
    with torch.no_grad():
        got = load_model(tmp_path / "out").similarity(**reference.tensors())
    np.testing.assert_allclose(got.numpy(), reference.outputs()["centerw03/logits"], atol=1e-4, rtol=0)


def test_a_converted_folder_is_a_checkpoint_for_every_command(tmp_path, capsys):
    """Evaluated, indexed, searched and started from, through a link as `runs/x/best` is one."""
    official = reference.state_dict()
    words = (
        torch.randn(49408, 512, generator=torch.Generator().manual_seed(1)) * 0.02
    )  # the whole of CLIP's vocabulary
    torch.save({**official, "clip.token_embedding.weight": words}, tmp_path / "pytorch_model.bin.2")
    assert (
        main(
            [
                "official",
                str(tmp_path / "pytorch_model.bin.2"),
                "-o",
                str(tmp_path / "msrvtt"),
                "--max_frames",
                "4",
            ]
        )
        == 0
    )
    (tmp_path / "best").symlink_to("msrvtt")
    best = str(tmp_path / "best")
    shards = str(shards_of.write_shards(tmp_path / "shards", 2, 3, "frames"))
    result = tmp_path / "result.json"
    assert (
        evaluate.main([f"checkpoint={best}", f"data.shards={shards}", "data.workers=0", f"output={result}"])
        == 0
    )
    assert '"t2v' in result.read_text()
    assert index.main([best, shards, "-o", str(tmp_path / "index"), "--workers", "1"]) == 0
    capsys.readouterr()
    assert search.main([str(tmp_path / "index"), "a red square", "--top", "2"]) == 0
    assert "s00000" in capsys.readouterr().out
    model, new = make_model(load_model(best).config, best)  # as `zoetrope train init=` does
    assert not new
    assert torch.equal(model.clip.token_embedding.weight, words)


def test_options_choose_the_variant_and_an_empty_one_is_given_as_such(tmp_path):
    torch.save(reference.state_dict(), tmp_path / "w.bin")
    assert (
        main(
            [
                "official",
                str(tmp_path / "w.bin"),
                "-o",
                str(tmp_path / "out"),
                "--temporal_proj",
                "",
                "--center_type",
                "",
            ]
        )
        == 0
    )
    config = load_model(tmp_path / "out").config
    assert (config.temporal_type, config.temporal_proj, config.center_type) == ("TDB", "", "")


def test_clip_weights_become_a_model_whose_new_modules_start_from_them(tmp_path):
    clip = tiny_model(seed=4).clip
    torch.save(clip.state_dict(), tmp_path / "clip.pt")
    options = ["--max_words", "8", "--centerK", "7", "--exact-gelu"]
    assert main(["clip", str(tmp_path / "clip.pt"), "-o", str(tmp_path / "out"), *options]) == 0
    model = load_model(tmp_path / "out")
    assert model.config.centerK == 7
    assert model.config.clip["quick_gelu"] is False
    assert torch.equal(model.clip.visual.proj, clip.visual.proj)
    assert torch.equal(model.frame_positions.weight, clip.positional_embedding)


def test_errors_are_one_line_and_nothing_is_overwritten(tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(ConfigError, match=r"missing key clip\.visual"):
        main(["official", str(tmp_path / "other.pt"), "-o", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.safetensors").write_bytes(b"mine")
    with pytest.raises(ConfigError, match="holds a model already"):
        main(["official", str(tmp_path / "other.pt"), "-o", str(tmp_path / "out")])
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == b"mine"
    with pytest.raises(ConfigError, match="'siglip' is not known"):
        convert("siglip", tmp_path / "other.pt", tmp_path / "new")
    with pytest.raises(ConfigError, match="--temporal_proj: invalid choice: 'mlp'"):
        main(["official", "x", "-o", "y", "--temporal_proj", "mlp"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("visual.conv1.weight", torch.tensor(1.0)),
        ("visual.positional_embedding", torch.zeros(0, 32)),
        ("text_projection", torch.zeros(32)),
        ("logit_scale", torch.zeros(7)),
    ],
)
def test_weights_of_other_shapes_are_one_line(tmp_path, name, value):
    torch.save({**tiny_model().clip.state_dict(), name: value}, tmp_path / "a.pt")
    with pytest.raises(ConfigError, match=r"sides are needed|does not fit the towers") as error:
        convert("clip", tmp_path / "a.pt", tmp_path / "out", {"max_words": 8})
    assert "\n" not in str(error.value)
