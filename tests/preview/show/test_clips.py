import io
import json

import numpy as np
import pytest
from PIL import Image

from preview.show.animation import decode_webp
from preview.show.clips import load_frames, screen_webp
from schemas.records import Reference
from storage.shards.read import RawSample
from transforms.clip import make_clip
from transforms.settings import ClipSettings


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


@pytest.mark.parametrize(("fps", "shown"), [(0, 0.1), (1e-308, 0.1), (1e308, 1000.0)])
def test_a_clip_of_a_foreign_shard_is_shown_at_a_speed_that_animations_have(make_picture, fps, shown):
    out = io.BytesIO()
    Image.fromarray(make_picture(80, 80)).save(out, "PNG")
    settings = ClipSettings.make({"store": "still", "clip": {"frames": 2, "size": 64}})
    members = make_clip(out.getvalue(), Reference("a", ("a picture",), "folder"), settings).members
    values = {**json.loads(members["json"]), "fps": fps}
    foreign = RawSample("s", "a", {**members, "json": json.dumps(values).encode()})
    frames, found = load_frames(foreign)
    assert found == shown
    assert len(decode_webp(screen_webp(frames, found))[0]) == 2
