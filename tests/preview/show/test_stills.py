"""The pictures that a person names."""

import numpy as np
import pytest
from PIL import Image

from preview.show import stills
from preview.show.stills import check_header, find_pictures, read_bytes, read_picture
from schemas.errors import ConfigError


@pytest.fixture
def folder(tmp_path, make_picture):
    for name in ("b.png", "a.JPG", "sub/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(make_picture(70, 80)).save(tmp_path / name)
    (tmp_path / "note.txt").write_text("x")
    return tmp_path


def test_files_folders_and_globs_give_each_picture_once(folder):
    names = [f"{folder}/b.png", str(folder), f"{folder}/*.png"]
    assert find_pictures(names, most=9) == [f"{folder}/b.png", f"{folder}/a.JPG"]
    assert find_pictures([f"{folder}/sub"], most=9) == [f"{folder}/sub/c.png"]


def test_names_without_pictures_and_too_many_are_one_line(folder):
    for name, words in ((f"{folder}/none.png", "no such file"), (f"{folder}/*.gif", "no pictures there")):
        with pytest.raises(ConfigError, match=words):
            find_pictures([name], most=9)
    with pytest.raises(ConfigError, match="2 pictures: give at most 1"):
        find_pictures([str(folder)], most=1)


def test_pictures_are_decoded_and_bad_ones_named(folder, make_picture, monkeypatch):
    np.testing.assert_array_equal(read_picture(f"{folder}/b.png").image_HWC, make_picture(70, 80))
    with pytest.raises(ConfigError, match=r"note\.txt: not an image"):
        read_picture(f"{folder}/note.txt")
    with pytest.raises(ConfigError, match="x: empty body"):
        check_header(b"", "x")
    monkeypatch.setattr(stills, "MAX_FILE_BYTES", 100)
    with pytest.raises(ConfigError, match="larger than"):
        read_bytes(f"{folder}/b.png")
