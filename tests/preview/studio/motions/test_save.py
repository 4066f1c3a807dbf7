import io

import numpy as np
import pytest
from PIL import Image
from studio_requests import CLIP, ask, frames_of, post

from preview.show.animation import decode_webp
from preview.studio.pictures import PictureBook
from preview.studio.state import Studio


@pytest.mark.parametrize("kind", ["gif", "webp", "mp4", "png"])
def test_a_saved_clip_has_the_frames_of_the_page(pictures, kind):
    studio = Studio(PictureBook([str(pictures)]))
    wanted = {**CLIP, "frames": 3}
    status, body, headers = ask(studio, ("POST", f"/api/save?as={kind}", {"json": wanted}))[0]
    assert status == 200
    assert headers["Content-Disposition"] == f'attachment; filename="clip.{kind}"'
    if kind == "webp":
        frames_THWC, _ = decode_webp(body)
        np.testing.assert_array_equal(frames_THWC, frames_of(post(studio, "/api/clip", wanted)[1]))
    elif kind != "mp4":
        with Image.open(io.BytesIO(body)) as image:
            assert getattr(image, "n_frames", 1) == (3 if kind == "gif" else 1)


@pytest.mark.parametrize(
    ("query", "change", "words"),
    [
        ("as=exe", {}, "gif, webp, mp4, png"),
        ("", {}, "gif, webp, mp4, png"),
        ("as=gif", {"fps": 120}, "a GIF plays at most 50"),
        ("as=gif", {"frames": 999, "width": 999, "height": 999}, "too much"),
    ],
)
def test_a_clip_that_cannot_be_saved_is_one_line(pictures, query, change, words):
    status, answer = post(Studio(PictureBook([str(pictures)])), f"/api/save?{query}", {**CLIP, **change})
    assert status == 400
    assert words in answer["error"]
