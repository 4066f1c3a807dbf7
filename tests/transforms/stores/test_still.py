"""The store `still`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.transforms.stores.saturated import saturated_clip
from transforms.media.stored import decode_stored
from transforms.rendering.render import render
from transforms.stores.still import StillStore

STORE = StillStore()


def test_frames_are_rendered_along_the_stored_path() -> None:
    clip = saturated_clip("still")
    wanted = render(decode_stored(clip.members["jpg"]), clip.meta.quads_T42(), size=(64, 64))
    np.testing.assert_array_equal(np.stack(list(STORE.decode(clip.members, clip.meta))), wanted)


def test_a_number_of_frames_in_key_json_allocates_nothing() -> None:
    clip = saturated_clip("still")
    absurd = replace(clip.meta, frames=10**12)
    assert STORE.shapes(clip.members, absurd) == [(64, 64)] * len(clip.meta.quads)


@pytest.mark.parametrize("extension", ["jpg", "jpeg", "png", "webp"])
def test_the_picture_may_have_any_of_these_extensions(extension: str) -> None:
    assert STORE.picture({"txt": b"t", extension: b"p"}) == b"p"


def test_a_missing_picture_is_named() -> None:
    with pytest.raises(ValueError, match=r"KEY\.jpg is missing; the sample has mp4, txt"):
        STORE.picture({"mp4": b"", "txt": b""})
