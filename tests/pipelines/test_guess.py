"""The kind of a source by its path: each kind, and every case in which it is not clear."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.config import AnimateConfig
from pipelines.guess import guess_source
from schemas.errors import ConfigError

COCO = json.dumps({"info": {}, "images": [{"id": 1}], "annotations": []})


def made(folder: Path, *names: str) -> str:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return str(folder)


@pytest.mark.parametrize(
    ("names", "kind", "uri", "reason"),
    [
        (["a.jpg", "a.txt", "b.PNG"], "folder", "", "a folder of 2 pictures"),
        (["cats/a.jpg"], "folder", "", "a folder of folders of pictures"),
        (["0.tar", "1.tar"], "tars", "/*.tar", "a folder of 2 tars"),
        (["0.tar", "0.parquet", "0_stats.json"], "tars", "/*.tar", "a folder of 1 tar"),
        (["a.parquet", "README.md"], "parquet", "/*.parquet", "a folder of 1 Parquet file"),
    ],
)
def test_a_folder_is_what_it_holds(tmp_path, names, kind, uri, reason):
    path = made(tmp_path / "in", *names)
    guess = guess_source(path)
    assert guess.fields == {"kind": kind, "uri": path + uri}
    assert guess.reason == reason
    AnimateConfig.make({"source": guess.fields, "output": "x"})


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.tar", "tars"),
        ("a.tar.gz", "tars"),
        ("A.PARQUET", "parquet"),
        ("*.tar", "tars"),
        ("a.JPG", "folder"),
    ],
)
def test_a_file_is_what_its_ending_says(tmp_path, name, kind):
    made(tmp_path, name.replace("*", "b"))
    assert guess_source(f"{tmp_path}/{name}").fields == {"kind": kind, "uri": f"{tmp_path}/{name}"}


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ("http://a.org/1.jpg\ta dog\nhttps://a.org/2.jpg\ta cat\n", "cc12m"),
        ("a dog\thttp://a.org/1.jpg\na cat\thttps://a.org/2.jpg\n", "cc3m"),
        ("\ufeffa dog\thttp://a.org/1.jpg\nbroken row\na cat\thttps://a.org/2.jpg\n", "cc3m"),
    ],
)
def test_a_table_is_told_by_the_place_of_the_url(tmp_path, rows, kind):
    path = tmp_path / "a.tsv"
    path.write_text(rows)
    guess = guess_source(str(path))
    assert guess.fields == {"kind": kind, "uri": str(path)}
    assert "URL" in guess.reason


@pytest.mark.parametrize("place", ["train2017", "../train2017", "images"])
def test_coco_finds_its_pictures_next_to_it_or_above(tmp_path, place):
    annotations = tmp_path / "annotations" / "captions_train2017.json"
    annotations.parent.mkdir()
    annotations.write_text(COCO)
    pictures = (annotations.parent / place).resolve()
    made(pictures, "1.jpg")
    assert guess_source(str(annotations)).fields == {
        "kind": "coco",
        "annotations": str(annotations),
        "images": str(pictures),
    }


@pytest.mark.parametrize(
    ("names", "path", "says"),
    [
        ([], "in", "no such file or folder. An input is a folder of pictures"),
        (["in/a.jpg", "in/0.tar"], "in", "holds 1 picture and 1 tar; say which you mean"),
        (["in/0.tar", "in/other.parquet"], "in", "holds 1 tar and 1 Parquet file"),
        (["in/readme.md"], "in", "holds no pictures, tars or Parquet files"),
        (["in/cc3m.tsv"], "in", "do you mean the table"),
        (["in/deep/0.tar"], "in", "below it; give the folder or a glob"),
        (["in/_zoetrope/config.json", "in/0.tar"], "in", "an output of Zoetrope, not an input"),
        (["in/_zoetrope/config.json", "in/0.tar"], "in/0.tar", "an output of Zoetrope, not an input"),
        (["a.py"], "a.py", "cannot tell what it is"),
        (["a.csv"], "a.csv", "cannot tell where the URL is"),
        (["a.json"], "a.json", "not COCO's captions JSON"),
        ([], "*.tsv", "nothing matches"),
    ],
)
def test_what_is_not_clear_is_one_line(tmp_path, names, path, says):
    made(tmp_path, *names)
    if not names:
        (tmp_path / "other").mkdir()
    with pytest.raises(ConfigError) as error:
        guess_source(f"{tmp_path}/{path}")
    assert says in str(error.value)


def test_coco_without_its_pictures_says_how_to_give_them(tmp_path):
    (tmp_path / "captions_val2017.json").write_text(COCO)
    with pytest.raises(
        ConfigError, match=r"where are the pictures\? Give source\.kind=coco source\.annotations"
    ):
        guess_source(str(tmp_path / "captions_val2017.json"))


def test_a_table_with_urls_at_both_ends_is_not_guessed(tmp_path):
    (tmp_path / "a.tsv").write_text("http://a/1\thttp://a/2\n")
    with pytest.raises(ConfigError, match="cannot tell where the URL is"):
        guess_source(str(tmp_path / "a.tsv"))


def test_a_folder_of_videos_names_the_command_for_them(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(
        ConfigError, match=r"holds no pictures.*; `zoetrope import-videos` makes shards of videos"
    ):
        guess_source(str(tmp_path))
