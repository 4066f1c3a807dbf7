"""Which of a clip's stored frames are taken, and when they are drawn."""

from __future__ import annotations

import make_shards as shards_of
import numpy as np
import pytest

from tests.trainer.data.test_dataset import decoder, raw
from trainer.data import decode
from trainer.data.decode import sample_indices


def test_jitter_is_that_of_clip2videos_training_loader() -> None:
    """From half the distance before each evenly spaced place to half behind it, left out; none where half is two or less."""
    rng = np.random.default_rng(0)
    even = sample_indices(120, 12)
    drawn = np.stack([sample_indices(120, 12, rng) for _ in range(400)])
    assert (np.diff(drawn, axis=1) > 0).all()
    moved = drawn - even
    assert not moved[:, [0, -1]].any()
    assert set(moved[:, 1:-1].reshape(-1).tolist()) == set(range(-5, 5))
    assert len({tuple(row) for row in drawn.tolist()}) == 400
    for count in (5, 12, 66):  # 66 lie five apart
        assert np.array_equal(sample_indices(count, 12, rng), sample_indices(count, 12))
    assert not np.array_equal(sample_indices(67, 12, rng), sample_indices(67, 12))
    assert [list(sample_indices(67, limit, rng)) for limit in (1, 2)] == [[0], [0, 66]]


def test_a_video_that_grows_beyond_measure_is_an_error_of_that_sample(monkeypatch) -> None:
    data = shards_of.mp4(np.zeros((40, 64, 64, 3), np.uint8))
    assert len(decode.decode_mp4(data, 4, (64, 64))) == 4
    monkeypatch.setattr(decode, "MAX_VIDEO_PIXELS", 30 * 64 * 64)
    with pytest.raises(ValueError, match="more than 122880 pixels over its frames"):
        decode.decode_mp4(data, 4, (64, 64))


@pytest.mark.parametrize("store", ["video", "mp4"])
def test_frames_are_drawn_anew_every_epoch_only_if_asked_and_never_in_evaluation(store: str) -> None:
    sample = raw(1, store, frames=31)
    even = decoder()(sample, 0).frames_THWC
    jittered = decoder(frame_jitter="clip2video")
    drawn = [jittered(sample, epoch).frames_THWC for epoch in (0, 1, 1)]
    assert np.array_equal(drawn[1], drawn[2])
    assert not np.array_equal(drawn[0], drawn[1])
    assert all(np.array_equal(frames[[0, 3]], even[[0, 3]]) for frames in drawn)  # first and last
    assert np.array_equal(decoder()(sample, 1).frames_THWC, even)
    assert np.array_equal(decoder(training=False, frame_jitter="clip2video")(sample, 1).frames_THWC, even)
