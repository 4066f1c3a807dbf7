import pytest
from pydantic import Field

from schemas.config import Config
from schemas.errors import ConfigError
from storage.configs import load_config


class Fetch(Config):
    deadline: float = Field(20.0, gt=0, le=600, description="seconds an image may take")
    retries: int = Field(2, ge=0, description="further tries")


class Job(Config):
    output: str = Field(description="where to write")
    fetch: Fetch = Field(default_factory=Fetch)
    size: tuple[int, int] | int = Field(224, description="pixels")
    names: tuple[str, ...] = Field((), description="some names")


def test_yaml_and_overrides_in_order(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("output: a\nfetch: {deadline: 5}\n")
    job = load_config(
        Job, path, ["fetch.retries=7", "output=b", "names=[x,y]", "size=[112, 224]", "output=c=d"]
    )
    assert job == Job(output="c=d", fetch=Fetch(deadline=5, retries=7), names=("x", "y"), size=(112, 224))
    assert load_config(Job, None, ["output=clips/*.tar"]).output == "clips/*.tar"


@pytest.mark.parametrize("text", ["- a\n", "a: [", "\xff\x00"])
def test_files_that_are_no_config(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"bad\.yaml") as caught:
        load_config(Job, path)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        load_config(Job, tmp_path / "none.yaml")


def test_yaml_cannot_make_objects(tmp_path):
    path = tmp_path / "evil.yaml"
    path.write_text("output: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(Job, path)


@pytest.mark.parametrize("text", ["2024", "1.5", "yes"])
def test_text_that_yaml_reads_as_something_else_needs_quotes_in_a_file(tmp_path, text):
    path = tmp_path / "job.yaml"
    path.write_text(f"output: {text}\n")
    with pytest.raises(ConfigError, match=r"output = .* it must be text \(in YAML, put it in quotes\)"):
        load_config(Job, path)
    path.write_text(f"output: '{text}'\n")
    assert load_config(Job, path).output == load_config(Job, None, [f"output={text}"]).output == text


def test_a_large_file_is_refused_before_it_is_parsed(tmp_path):
    """The bytes after the bound were cut off before, and the rest read as the whole."""
    path = tmp_path / "large.yaml"
    path.write_text("seed: 3\n" + "#\n" * 200_000)
    with pytest.raises(ConfigError, match=r"large\.yaml: cannot be read: it is larger than 262 kB"):
        load_config(Job, path)
