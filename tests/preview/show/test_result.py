"""Previews as results."""

import io

import numpy as np
import pytest
from PIL import Image

from preview.show.animation import decode_webp
from preview.show.result import Preview, PreviewClip
from schemas.errors import ConfigError


@pytest.fixture
def clip(make_picture):
    return PreviewClip("a dog", np.stack([make_picture(48, 64, seed) for seed in range(3)]))


def test_a_single_clip_is_its_own_frames_and_several_are_a_grid(clip):
    assert Preview((clip,), 8.0).frames_THWC is clip.frames_THWC
    grid = Preview((clip, clip), 8.0).frames_THWC
    assert grid.shape[0] == 3
    assert grid.shape[2] > 2 * 64


def test_every_ending_is_written(clip, tmp_path):
    shown = Preview((clip,), 8.0)
    for ending in ("gif", "webp", "mp4", "png"):
        assert shown.save(str(tmp_path / f"a.{ending}")) == str(tmp_path / f"a.{ending}")
    np.testing.assert_array_equal(decode_webp((tmp_path / "a.webp").read_bytes())[0], clip.frames_THWC)
    with pytest.raises(ConfigError, match="ending must be one of"):
        shown.save(str(tmp_path / "a.jpg"))
    with pytest.raises(ConfigError, match="cannot be written"):
        shown.save(str(tmp_path / "a.gif" / "b.gif"))


def test_a_path_is_shown_beside_its_clip_and_alone_in_the_sheet(clip, make_picture):
    drawn = PreviewClip(clip.label, clip.frames_THWC, None, make_picture(82, 64))
    shown = Preview((drawn,), 8.0)
    np.testing.assert_array_equal(shown.sheet_HWC, drawn.path_HWC)
    moving = decode_webp(shown.encode(".webp"))[0]
    assert moving.shape[2] > 2 * 64


def test_a_notebook_gets_a_moving_picture_and_a_still_one(clip):
    shown = Preview((clip, clip), 8.0)
    assert 'alt="2 moving clips"' in shown._repr_html_()
    assert Image.open(io.BytesIO(shown._repr_png_())).size[0] > 64
