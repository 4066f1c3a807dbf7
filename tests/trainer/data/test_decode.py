"""Stored frames, captions, phrases and identities that the decoder gives to the trainer."""

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


EIGHT = ["pan_left", "pan_right", "pan_up", "pan_down", "zoom_in", "zoom_out", "rotate_cw", "rotate_ccw"]


def test_a_fresh_path_has_its_own_phrase_worded_as_the_job_words_it() -> None:
    sample = raw(1, captions=("A dog.",), phrase="as the camera zooms in")
    decode = decoder(motions=["pan_left"], motion_phrases=1.0)
    for epoch in range(5):
        (caption,) = decode(sample, epoch).captions
        assert caption.startswith("A dog, ")
        assert caption.endswith("left.")
        assert "zooms" not in caption
    assert decoder(motions=["pan_left"])(sample, 0).captions == ("A dog.",)


def test_phrases_come_with_the_probability_that_was_asked_for() -> None:
    decode = decoder(motions=EIGHT, motion_phrases=0.3)
    said = [", " in decode(raw(1, captions=("a dog",)), epoch).captions[0] for epoch in range(300)]
    assert 0.2 < sum(said) / len(said) < 0.4


def test_a_stored_paths_phrase_stays_in_training_and_evaluation() -> None:
    sample = raw(1, captions=("A dog.", "Two cats!"), phrase="as the camera zooms in")
    wanted = ("A dog, as the camera zooms in.", "Two cats! The camera zooms in.")
    assert decoder(camera="stored")(sample, 0).captions[0] in wanted
    assert decoder(training=False)(sample, 0).captions == wanted
    assert decoder(training=False, eval_motion_phrases=False)(sample, 0).captions == ("A dog.", "Two cats!")
    assert decoder(camera="stored", eval_motion_phrases=False)(sample, 0).captions[0] in wanted
    assert decoder()(sample, 0).captions[0] in ("A dog.", "Two cats!")


def test_identity_knows_the_motion_that_the_caption_names() -> None:
    left = decoder(motions=["pan_left"], motion_phrases=1.0)(raw(1), 0).identity
    again = decoder(motions=["pan_left"], motion_phrases=1.0)(raw(1), 1).identity
    right = decoder(motions=["pan_right"], motion_phrases=1.0)(raw(1), 0).identity
    silent = decoder(motions=["pan_right"])(raw(1), 0).identity
    assert left == again != right
    assert left.item == right.item == silent.item
    assert silent.motion == 0
    stored = raw(1, phrase="as the camera zooms in")
    assert decoder(training=False)(stored, 0).identity.motion != 0
    assert decoder(training=False, eval_motion_phrases=False)(stored, 0).identity.motion == 0


def test_paths_over_one_picture_have_phrases_of_their_own() -> None:
    decode = decoder(motions=EIGHT, motion_phrases=1.0, paths_per_picture=4)
    clips = [decode(raw(1), 0, path) for path in range(4)]
    assert len({clip.identity.motion for clip in clips}) == 4
    assert len({clip.captions for clip in clips}) == 4
    assert np.array_equal(clips[0].picture_HWC, clips[3].picture_HWC)
    with pytest.raises(ValueError, match=r"paths_per_picture = 4 needs shards of store still.* is frames"):
        decode(raw(1, "frames"), 0)


def test_settings_without_effect_are_errors() -> None:
    with pytest.raises(ValueError, match=r"motion_phrases = 0.5 has no effect with camera=stored"):
        decoder(camera="stored", motion_phrases=0.5)
    with pytest.raises(ValueError, match="paths_per_picture = 2 has no effect without motion_phrases"):
        decoder(paths_per_picture=2)
