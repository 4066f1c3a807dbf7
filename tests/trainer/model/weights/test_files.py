"""Weight files read without running them."""

import resource
import zipfile

import open_clip
import pytest
import torch
from tiny_models import tiny_config, tiny_model

from schemas.errors import ConfigError
from trainer.model.weights.files import read_state_dict, write_tensors


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


def test_weights_that_cannot_be_written_are_an_error_of_the_system_that_names_the_file(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # as on a full disk
    try:
        with pytest.raises(OSError, match=r"w\.safetensors: cannot be written: .*"):
            write_tensors({"a": torch.ones(10_000)}, tmp_path / "w.safetensors")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


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


def test_tensors_that_claim_more_than_is_stored_are_refused(tmp_path):
    torch.save({"a": torch.zeros(1).expand(10**9), "b": torch.zeros(4)}, tmp_path / "a.pt")
    with pytest.raises(ConfigError, match="its tensors claim 4000000016 bytes, and 20 are stored"):
        read_state_dict(tmp_path / "a.pt")
    tied = torch.ones(100)
    torch.save({"a": tied, "b": tied}, tmp_path / "b.pt")
    assert read_state_dict(tmp_path / "b.pt").keys() == {"a", "b"}


def test_a_torchscript_view_of_stride_0_is_refused(tmp_path):
    class Odd(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("wide", torch.zeros(1).expand(10**9))

        def forward(self, x):
            return x

    torch.jit.script(Odd()).save(str(tmp_path / "odd.pt"))
    with pytest.raises(ConfigError, match="its tensors claim 4000000000 bytes"):
        read_state_dict(tmp_path / "odd.pt")


@pytest.mark.parametrize(
    "value", [torch.zeros(2, dtype=torch.complex64), torch.eye(3).to_sparse(), torch.zeros(2, device="meta")]
)
def test_tensors_that_are_no_plain_numbers_are_refused(tmp_path, value):
    torch.save({"a": value}, tmp_path / "a.pt")
    with pytest.raises(ConfigError, match=r"a is no plain tensor|cannot be read as plain weights"):
        read_state_dict(tmp_path / "a.pt")


def test_a_zip_bomb_of_weights_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}.")
        archive.writestr("a/data/0", bytes(100 << 20))
    with pytest.raises(ConfigError, match=r"a zip of .* bytes that unpacks to"):
        read_state_dict(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "neither a zip nor a pickle"),
        (b"<html>", "neither a zip nor a pickle"),
        (b"\x80\x02cposix\nsystem\nX\x01\x00\x00\x00a\x85R.", "it holds more than plain tensors"),
    ],
)
def test_other_files_are_one_line_without_advice_to_run_them(tmp_path, data, cause, recwarn):
    (tmp_path / "a.pt").write_bytes(data)
    with pytest.raises(ConfigError, match=cause) as error:
        read_state_dict(tmp_path / "a.pt")
    assert "weights_only` set" not in str(error.value)
    assert not recwarn.list


def test_names_of_tensors_are_texts(tmp_path):
    torch.save({1: torch.zeros(1)}, tmp_path / "a.pt")
    with pytest.raises(ConfigError, match="not a state dict"):
        read_state_dict(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.pt", b"version https://git-lfs.github.com/spec/v1\noid", "it is a Git LFS pointer"),
        ("a.pt", b"PK\x03\x04" + bytes(99), "it is cut off or damaged"),
        ("a.safetensors", b"PK\x03\x04" + bytes(99), "rename it to .pt"),
        ("a.bin", b"<html>", "neither a zip nor a pickle nor safetensors"),
    ],
)
def test_a_file_that_is_no_weights_says_what_it_is(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError, match=message):
        read_state_dict(tmp_path / name)


def test_safetensors_are_known_by_their_content(tmp_path):
    write_tensors({"a": torch.ones(2)}, tmp_path / "a.bin")
    assert read_state_dict(tmp_path / "a.bin")["a"].tolist() == [1, 1]


def test_a_pickled_model_is_asked_for_its_state_dict(tmp_path):
    torch.save(torch.nn.ParameterDict({"a": torch.nn.Parameter(torch.ones(2))}), tmp_path / "a.pt")
    with pytest.raises(ConfigError, match=r"ParameterDict; save its state_dict\(\) instead$"):
        read_state_dict(tmp_path / "a.pt")
    torch.save({"ema": {"a": torch.ones(2)}, "epoch": 3}, tmp_path / "a.pt")
    with pytest.raises(ConfigError, match=r"\(a mapping of names to tensors\); it holds ema, epoch$"):
        read_state_dict(tmp_path / "a.pt")
