"""Shipped configs by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import ConfigError
from zoetrope.shipped import FOLDER, USED_BY, find_config

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "configs").glob("*/*.yaml")), ids=lambda p: f"{p.parent.name}/{p.stem}"
)
def test_every_shipped_config_has_its_name(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Path(find_config(path.stem, path.parent.name)) == path


@pytest.mark.parametrize("name", ["my.yaml", "my.yml", "configs/coco", "gs://bucket/coco", "/coco"])
def test_a_path_stands_for_itself(name):
    assert find_config(name, "animate") == name


def test_the_path_of_a_shipped_config_in_a_checkout_names_it_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "configs/animate/coco.yaml"
    assert Path(find_config(name, "animate")) == ROOT / name
    own = tmp_path / name
    own.parent.mkdir(parents=True)
    own.write_text("seed: 1\n")
    assert find_config(name, "animate") == name


def test_a_file_of_this_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "coco").write_text("seed: 1\n")
    assert find_config("coco", "animate") == "coco"


def test_an_unknown_name_is_one_line_with_the_nearest():
    with pytest.raises(ConfigError) as error:
        find_config("cocoo", "animate")
    assert str(error.value) == (
        "--config cocoo: no such file, and no shipped config of this name; "
        "shipped are cc12m, cc3m, coco, folder, huggingface, parquet, tars, urls; the nearest is coco"
    )


@pytest.mark.parametrize("name", ["debug", "configs/train/debug.yaml"])
def test_a_config_of_another_command_says_whose_it_is(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="a config of `zoetrope train`; `zoetrope animate` takes another"):
        find_config(name, "animate")
    with pytest.raises(ConfigError, match="of `zoetrope import-videos` and `zoetrope evaluate`"):
        find_config("msvd", "train")


def test_every_folder_of_configs_has_its_command():
    assert {path.name for path in FOLDER.iterdir() if path.is_dir()} == USED_BY.keys()


def test_the_folder_is_next_to_the_packages():
    assert FOLDER == ROOT / "configs"
