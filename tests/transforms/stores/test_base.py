"""The interface of stores."""

from __future__ import annotations

import numpy as np
import pytest

from tests.transforms.stores.saturated import saturated_clip
from transforms.stores.base import (
    MAX_CLIP_PIXELS,
    FrameStore,
    PictureStore,
    at_most,
    check_pixels,
    stored_path,
)
from transforms.stores.registry import STORES


@pytest.mark.parametrize("name", STORES)
def test_every_store_has_a_name_a_summary_and_its_members_in_words(name: str) -> None:
    store = STORES[name]
    assert store.name == name
    assert store.summary
    assert "`KEY." in store.describe(12, "jpg")
    assert isinstance(store, FrameStore | PictureStore)


@pytest.mark.parametrize("name", STORES)
def test_shapes_are_those_of_the_decoded_frames(name: str) -> None:
    clip = saturated_clip(name)
    assert STORES[name].shapes(clip.members, clip.meta) == [(64, 64)] * 5


def test_a_pick_takes_the_views_of_the_path() -> None:
    meta = saturated_clip("still").meta
    np.testing.assert_array_equal(stored_path(meta, at_most(3)), meta.quads_T42()[[0, 2, 4]])
    assert list(at_most(3)(5)) == [0, 2, 4]


def test_the_pixels_of_a_clip_are_bounded() -> None:
    check_pixels(999, (1000, 1000))
    with pytest.raises(ValueError, match=f"more than {MAX_CLIP_PIXELS} pixels"):
        check_pixels(1001, (1000, 1000))
