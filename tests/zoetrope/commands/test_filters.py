"""The lines that `zoetrope filters` prints, and its exit codes."""

from __future__ import annotations

import cv2
import pytest
from skimage import data

from zoetrope import cli


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, image in (("sharp", data.coffee()), ("soft", cv2.GaussianBlur(data.coffee(), (0, 0), 9))):
        cv2.imwrite(str(folder / f"{name}.png"), image[..., ::-1])
        (folder / f"{name}.txt").write_text(f"a {name} picture")
    return folder


def test_a_row_per_filter_and_the_samples_around_a_threshold(pictures, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert cli.main(["filters", str(pictures), "filters=[picture_blur]", "-o", str(page), "workers=1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("2 inputs tried, 1 kept, 1 dropped (50.0 %)")
    (row,) = [line.split() for line in lines if line.startswith("picture_blur ")]
    assert row[:3] == ["picture_blur", "min", "50"]
    assert row[8:11] == ["1", "1", "1"]
    assert any(line.split()[0] == "keeps" and line.endswith("a sharp picture") for line in lines if line)
    assert any(line.split()[0] == "drops" and line.endswith("a soft picture") for line in lines if line)
    assert lines[-1] == f"wrote {page}"
    assert page.read_text().startswith("<!doctype html>")


def test_no_sample_that_can_be_scored_exits_with_1(tmp_path, capsys):
    (tmp_path / "a.jpg").write_bytes(b"none")
    (tmp_path / "a.txt").write_text("a picture of nothing")
    assert cli.main(["filters", str(tmp_path), "filters=[picture_blur,near_duplicates]"]) == 1
    assert "decode/not_an_image" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ("picture_blurr", "the nearest is picture_blur"),
        ("{name: picture_blur, min: -1}", "picture_blur"),
        ("nothere:f", "nothere"),
    ],
)
def test_a_bad_filter_is_one_line(pictures, filters, words, capsys):
    assert cli.main(["filters", str(pictures), f"filters=[{filters}]"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert words in said[-1]


def test_a_page_that_cannot_be_written_is_one_line(pictures, capsys):
    assert cli.main(["filters", str(pictures), "filters=[caption_words]", "-o", str(pictures)]) == 2
    assert "cannot be written" in capsys.readouterr().err.splitlines()[-1]
