"""Which of a clip's stored frames the trainer takes, and how often the choice changes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.trainer.data.test_dataset import decoder, raw


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
