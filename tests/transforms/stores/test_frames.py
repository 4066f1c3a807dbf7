"""The store `frames`."""

from __future__ import annotations

import numpy as np
import pytest

from tests.transforms.stores.saturated import saturated_clip
from transforms.media import stored
from transforms.stores import frames
from transforms.stores.frames import FramesStore, encoded_frames

STORE = FramesStore()


@pytest.mark.parametrize("format", ["jpg", "png", "webp"])
def test_members_are_numbered_pictures(format: str) -> None:
    members = saturated_clip("frames", encode={"format": format}).members
    assert list(members) == [f"{i:03d}.{format}" for i in range(5)] + ["txt", "json"]
    assert encoded_frames(members) == [members[f"{i:03d}.{format}"] for i in range(5)]


def test_only_picked_frames_are_decoded(monkeypatch) -> None:
    members = dict(saturated_clip("frames").members)
    whole = list(STORE.stored(members))
    members |= {"001.jpg": b"broken", "003.jpg": b"broken"}
    picked = list(STORE.stored(members, lambda count: [0, 2, count - 1]))
    np.testing.assert_array_equal(np.stack(picked), np.stack(whole)[[0, 2, 4]])


def test_sizes_are_added_up_before_anything_is_decoded(monkeypatch) -> None:
    monkeypatch.setattr(frames, "MAX_CLIP_PIXELS", 4 * 64 * 64)
    monkeypatch.setattr(frames, "decode_stored", lambda data: pytest.fail("a frame was decoded"))
    with pytest.raises(ValueError, match="5 frames have 20480 pixels, over the limit of 16384"):
        list(STORE.stored(saturated_clip("frames").members))
    assert stored.MAX_PIXELS == 100_000_000


def test_a_sample_without_frames_is_an_error() -> None:
    with pytest.raises(ValueError, match="no frames"):
        list(STORE.stored({"txt": b"", "json": b"", "mp4": b""}))
