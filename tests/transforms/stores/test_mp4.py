"""The store `mp4`."""

from __future__ import annotations

import numpy as np
import pytest

from tests.transforms.stores.saturated import saturated_clip
from transforms.media.video.mp4 import decode_mp4
from transforms.stores.mp4 import Mp4Store

STORE = Mp4Store()


def test_frames_are_those_of_the_video() -> None:
    members = saturated_clip("mp4").members
    assert list(members) == ["mp4", "txt", "json"]
    np.testing.assert_array_equal(np.stack(list(STORE.stored(members))), decode_mp4(members["mp4"]))


def test_odd_sizes_cannot_be_stored() -> None:
    STORE.check_size((64, 80))
    with pytest.raises(ValueError, match=r"clip.size = \[63, 80\]: .* use \[64, 80\]"):
        STORE.check_size((63, 80))


@pytest.mark.parametrize("video", [b"ffconcat version 1.0\nfile other.mp4\n", b"#EXTM3U\nother.mp4\n", b""])
def test_a_list_of_other_files_is_no_video(video: bytes, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.mp4").write_bytes(saturated_clip("mp4").members["mp4"])
    with pytest.raises(ValueError, match="mp4: "):
        list(STORE.stored({"mp4": video}))
