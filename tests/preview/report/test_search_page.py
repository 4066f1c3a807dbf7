"""The search page."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from preview.report.search_page import Result, write_page
from schemas.errors import ConfigError


def result(rank: int, frames_THWC: np.ndarray | None, match: float | None = None, **fields) -> Result:
    values = {"key": f"k{rank}", "shard": "00000.tar", "caption": "a dog", "cosine": 0.5, "coarse_rank": rank}
    return Result(rank=rank, match=match, frames_THWC=frames_THWC, **(values | fields))


def test_clips_move_and_keep_every_frame(tmp_path, make_picture):
    frames = np.stack([make_picture(32, 48)] * 3)  # equal frames: a writer may not drop them
    write_page(tmp_path / "page.html", [result(1, frames, match=2.5)], clips=1200, text="a dog")
    html = (tmp_path / "page.html").read_text()
    (moving,) = re.findall(r'<img alt="a dog" src="data:image/webp;base64,([^"]+)"', html)
    image = Image.open(io.BytesIO(base64.b64decode(moving)))
    assert (image.size, image.n_frames) == ((48, 32), 3)
    assert "1 of 1,200 clips, re-ranked" in html
    assert "2.50" in html


def test_a_clip_that_is_gone_is_named(tmp_path):
    write_page(tmp_path / "page.html", [result(1, None)], clips=1, text="x")
    html = (tmp_path / "page.html").read_text()
    assert "no longer where it was indexed" in html
    assert "re-ranked" not in html


def test_every_value_is_escaped_and_nothing_is_loaded(tmp_path, make_picture):
    evil = '"><script>alert(1)</script>'
    write_page(
        tmp_path / "page.html",
        [result(1, make_picture(32, 32)[None], key=evil, shard=evil, caption=evil)],
        clips=1,
        text=evil,
    )
    html = (tmp_path / "page.html").read_text()
    assert "<script" not in html
    assert not re.search(r"""(src|href|srcset)=["'](?!data:)""", html)


def test_the_picture_of_the_query_is_shown_small(tmp_path, make_picture):
    write_page(tmp_path / "page.html", [], clips=0, image_HWC=make_picture(400, 800))
    html = (tmp_path / "page.html").read_text()
    (query,) = re.findall(r'class="query"[^>]*base64,([^"]+)"', html)
    assert Image.open(io.BytesIO(base64.b64decode(query))).size == (320, 160)
    assert "Clips like this picture" in html


def test_a_page_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_page(tmp_path / "file" / "page.html", [], clips=0, text="x")
