"""Weight files read without running them."""

import zipfile

import open_clip
import pytest
import torch
from tiny_models import tiny_config, tiny_model

from schemas.errors import ConfigError
from trainer.model.weights import read_state_dict


def torchscript(tmp_path, model, **extra):
    """The form of OpenAI's files: a traced model with three numbers as buffers, weights in half precision."""
    for name, value in extra.items():
        if hasattr(model, name):
            delattr(model, name)
        model.register_buffer(name, torch.tensor(value))
    file = tmp_path / "ViT.pt"
    torch.jit.trace(
        model, (torch.zeros(1, 3, 32, 32), torch.zeros(1, 16, dtype=torch.long)), check_trace=False
    ).save(str(file))
    return file


@pytest.fixture
def openai_file(tmp_path):
    clip = tiny_model(seed=5).clip
    return clip, torchscript(tmp_path, clip, input_resolution=32, context_length=16, vocab_size=64)


def test_openais_archives_are_read_as_data(openai_file):
    clip, file = openai_file
    assert any(name.endswith(".py") for name in zipfile.ZipFile(file).namelist())  # it does hold code
    state = read_state_dict(file)
    wanted = dict(clip.named_parameters())
    assert wanted.keys() - state.keys() == set()
    for name, value in wanted.items():
        torch.testing.assert_close(state[name], value.detach())
    assert state["input_resolution"] == 32


def test_an_archive_is_a_pretrained_file(openai_file):
    from trainer.model.clip2video import build_model

    clip, file = openai_file
    model = build_model(tiny_config(pretrained=str(file)))
    torch.testing.assert_close(model.clip.visual.proj, clip.visual.proj)
    torch.testing.assert_close(
        model.frame_positions.weight, clip.positional_embedding
    )  # the new modules start from it


def test_an_archive_that_names_other_code_is_refused(tmp_path):
    file = tmp_path / "evil.pt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("evil/constants.pkl", b"\x80\x02).")
        archive.writestr(
            "evil/data.pkl", b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR."
        )
    with pytest.raises(ConfigError, match=r"the archive names os\.system"):
        read_state_dict(file)
    assert not (tmp_path / "ran").exists()


def test_half_precision_views_and_shared_storages_are_read(tmp_path):
    class Odd(torch.nn.Module):
        def __init__(self):
            super().__init__()
            base = torch.arange(12, dtype=torch.float16)
            self.register_buffer("whole", base)
            self.register_buffer("view", base.view(3, 4).t())
            self.register_buffer("none", torch.empty(0))

        def forward(self, x):
            return x + self.view.sum()

    torch.jit.script(Odd()).save(str(tmp_path / "odd.pt"))
    state = read_state_dict(tmp_path / "odd.pt")
    assert state["whole"].dtype == torch.float16
    assert state["view"].tolist() == torch.arange(12.0).view(3, 4).t().tolist()
    assert state["none"].shape == (0,)


def test_older_pickles_are_read_and_other_things_refused(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert read_state_dict(tmp_path / "old.pt")["a"].tolist() == [1, 1]
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(ConfigError, match=r"text\.pt: cannot be read as plain weights"):
        read_state_dict(tmp_path / "text.pt")
    torch.save({"a": 3}, tmp_path / "number.pt")
    with pytest.raises(ConfigError, match=r"number\.pt: not a state dict"):
        read_state_dict(tmp_path / "number.pt")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    with pytest.raises(ConfigError, match=r"cut\.safetensors"):
        read_state_dict(tmp_path / "cut.safetensors")


def test_open_clip_reads_the_same_from_its_own_file(tmp_path):
    clip = tiny_model(seed=2).clip
    torch.save(clip.state_dict(), tmp_path / "plain.pt")
    ours, theirs = (
        read_state_dict(tmp_path / "plain.pt"),
        open_clip.factory.load_state_dict(str(tmp_path / "plain.pt")),
    )
    assert ours.keys() == theirs.keys()
