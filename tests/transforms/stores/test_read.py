"""The decoder of a stored sample."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from schemas.clip import ClipMeta
from tests.transforms.stores.saturated import saturated_clip
from transforms.media.fit import fit
from transforms.stores import read
from transforms.stores.read import read_clip
from transforms.stores.registry import STORES


@pytest.mark.parametrize("store", STORES)
def test_a_subset_of_the_frames_is_bit_equal_to_the_whole(store: str) -> None:
    clip = saturated_clip(store)
    whole = read_clip(clip.members, clip.meta)
    assert whole.dtype == np.uint8
    assert whole.shape == (5, 64, 64, 3)
    np.testing.assert_array_equal(read_clip(clip.members, clip.meta, frames=3), whole[[0, 2, 4]])


def test_stored_frames_are_fitted_and_stills_are_rendered_at_the_size_asked_for() -> None:
    frames, still = saturated_clip("frames"), saturated_clip("still")
    whole = read_clip(frames.members, frames.meta)
    fitted = read_clip(frames.members, frames.meta, size=(32, 48))
    np.testing.assert_array_equal(fitted, np.stack([fit(frame, (32, 48)) for frame in whole]))
    assert read_clip(still.members, still.meta, size=(32, 48)).shape == (5, 32, 48, 3)


@pytest.mark.parametrize("store", STORES)
def test_missing_members_are_named(store: str) -> None:
    clip = saturated_clip(store)
    members = {name: clip.members[name] for name in ("txt", "json")}
    with pytest.raises(ValueError, match=r"is missing; the sample has txt, json|has no frames"):
        read_clip(members, clip.meta)


def test_an_unknown_store_is_named() -> None:
    clip = saturated_clip("still")
    with pytest.raises(ValueError, match="store 'gif' is not known; it must be one of frames, mp4, still"):
        read_clip(clip.members, replace(clip.meta, store="gif"))


def test_the_memory_of_a_clip_is_bounded(monkeypatch) -> None:
    clip = saturated_clip("frames")
    monkeypatch.setattr(read, "MAX_BYTES", 4 * 64 * 64 * 3)
    with pytest.raises(ValueError, match="take more than 49152 bytes"):
        read_clip(clip.members, clip.meta)
    assert len(read_clip(clip.members, clip.meta, frames=4)) == 4


def test_a_still_cannot_ask_for_frames_without_end() -> None:
    clip = saturated_clip("still")
    with pytest.raises(ValueError, match="pixels over its frames"):
        read_clip(clip.members, replace(clip.meta, width=8000, height=8000, quads=clip.meta.quads * 20))
    with pytest.raises(ValueError, match="no quads"):
        read_clip(clip.members, replace(clip.meta, quads=()))


@pytest.mark.parametrize(
    "change",
    [{"width": "x"}, {"height": None}, {"width": 1.5}, {"width": -3}, {"store": ["still"]}, {"quads": [1]}],
)
def test_a_hostile_description_is_a_value_error(change: dict) -> None:
    clip = saturated_clip("still")
    values = json.loads(clip.members["json"]) | change
    with pytest.raises(ValueError, match=r"."):
        read_clip(clip.members, ClipMeta(**values))
