import io

import numpy as np
import pytest
from PIL import Image

from preview.show.clips import load_frames
from schemas.records import Reference
from storage.shards.read import RawSample
from transforms.clip import ClipSettings, make_clip


@pytest.mark.parametrize("store", ["frames", "mp4", "still"])
def test_every_store_gives_the_clip_that_was_made(make_picture, store):
    out = io.BytesIO()
    Image.fromarray(make_picture(200, 240)).save(out, "PNG")
    values = {"seed": 1, "motions": ["zoom_in"], "clip": {"frames": 5, "fps": 10, "size": [64, 80]}}
    reference = Reference("a", ("a picture",), "folder")
    exact = make_clip(out.getvalue(), reference, ClipSettings.make({**values, "encode": {"format": "png"}}))
    wanted, _ = load_frames(RawSample("s", "a", exact.members))
    made = make_clip(out.getvalue(), reference, ClipSettings.make({**values, "store": store}))
    frames, fps = load_frames(RawSample("s", "a", made.members))
    assert frames.shape == (5, 64, 80, 3)
    assert frames.dtype == np.uint8
    assert fps == 10.0
    assert np.abs(frames.astype(float) - wanted).mean() < 8
