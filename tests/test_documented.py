"""The commands of the README run as they are written, on small data under the names that it uses.

Jobs are planned (--dry-run) and one is run. Commands that need a published data set, a pretrained model or a
cluster are parsed by `test_configs.py` alone.
"""

from __future__ import annotations

import json
import re
import shlex
import tarfile
from pathlib import Path

import cv2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from skimage import data

from zoetrope import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
LOOKS = ("validate", "stats", "head", "failures", "motions")  # commands that run as they are


def blocks() -> list[str]:
    """The command lines of the code blocks, without comments."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.S | re.M)
    text = "\n".join(body for language, body in found if not language).replace("\\\n", " ")
    lines = [line.partition(" #")[0].strip() for line in text.splitlines()]
    return [line.removeprefix("zoetrope ") for line in lines if line.startswith("zoetrope ")]


def inline() -> list[str]:
    """The whole commands inside of sentences."""
    found = re.findall(r"`zoetrope ((?:\w+)(?: clips/)?)`", README)
    return list(dict.fromkeys(line for line in found if line.split()[0] in LOOKS))


ANIMATE = [
    line for line in blocks() if line.startswith("animate ") and "gs://" not in line and "..." not in line
]
PREVIEW = [line for line in blocks() if line.startswith("preview ")]


@pytest.fixture(scope="module")
def place(tmp_path_factory, serve) -> Path:
    """A folder in which the README's names are small files of the right form."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "configs").symlink_to(ROOT / "configs")
    (folder / "pictures").mkdir()
    (folder / "train2017").mkdir()
    (folder / "cc12m").mkdir()
    picture = cv2.imencode(".jpg", data.coffee()[::2, ::2, ::-1])[1].tobytes()
    for name in ("photo.jpg", "pictures/photo.jpg", "train2017/000000000001.jpg"):
        (folder / name).write_bytes(picture)
    (folder / "pictures" / "photo.txt").write_text("a cup of coffee")
    url = serve(folder) + "/photo.jpg"
    (folder / "Train_GCC-training.tsv").write_text(f"a cup of coffee\t{url}\n")
    (folder / "cc12m.tsv").write_text(f"{url}\ta cup of coffee\n")
    (folder / "pictures.csv").write_text(f"url,caption\n{url},a cup of coffee\n")
    coco = {
        "images": [{"id": 1, "file_name": "000000000001.jpg"}],
        "annotations": [{"id": 1, "image_id": 1, "caption": "a cup of coffee"}],
    }
    (folder / "captions_train2017.json").write_text(json.dumps(coco))
    table = {"image": [{"bytes": picture, "path": "photo.jpg"}], "caption": ["a cup of coffee"]}
    pq.write_table(pa.table(table), folder / "train-00000.parquet")
    (folder / "flickr30k").mkdir()
    pq.write_table(pa.table(table), folder / "flickr30k" / "train-00000.parquet")
    with tarfile.open(folder / "cc12m" / "00000.tar", "w") as tar:
        for name in ("pictures/photo.jpg", "pictures/photo.txt"):
            tar.add(folder / name, f"000000000{Path(name).suffix}")
    return folder


@pytest.fixture(scope="module")
def made(place) -> Path:
    """The folder after the README's first job."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert cli.main(shlex.split(f"{ANIMATE[0]} workers=1 clip.size=32")) == 0
    return place


def test_the_page_shows_commands_of_every_kind() -> None:
    assert ANIMATE[0] == "animate pictures/ -o clips/"
    assert len(ANIMATE) >= 6
    assert len(PREVIEW) >= 2
    assert {"validate clips/", "stats clips/", "head clips/", "failures clips/", "motions"} <= set(inline())


@pytest.mark.parametrize("line", ANIMATE)
def test_a_job_is_planned_as_it_is_written(place, monkeypatch, capsys, line: str) -> None:
    monkeypatch.chdir(place)
    assert cli.main([*shlex.split(line.replace("output=clips/", "output=other/")), "--dry-run"]) == 0
    assert "1 task (a shard each)" in capsys.readouterr().out


@pytest.mark.parametrize("line", inline())
def test_a_command_on_the_output_runs_as_it_is_written(made, monkeypatch, capsys, line: str) -> None:
    monkeypatch.chdir(made)
    assert cli.main(shlex.split(line)) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize("line", PREVIEW)
def test_a_preview_runs_as_it_is_written(made, monkeypatch, line: str) -> None:
    monkeypatch.chdir(made)
    assert cli.main(shlex.split(line)) == 0
    output = line.partition("-o ")[2].split()[0]
    assert (made / output).read_bytes().startswith(b"GIF89a")


def test_filters_are_tried_as_it_is_written(place, monkeypatch) -> None:
    (line,) = re.findall(r"`zoetrope (filters [^`]+)`", README)
    monkeypatch.chdir(place)
    assert cli.main(shlex.split(line)) == 0
    assert (place / "filters.html").read_text().startswith("<!doctype html>")
