"""Decoding for training and evaluation."""

from __future__ import annotations

import json

import make_shards as shards_of
import numpy as np
import pytest
from raw_samples import decoder, raw

from storage.shards.read import RawSample
from trainer.data.decode import Request
from trainer.data.pixels import Pixels
from transforms.media.stored import decode_stored
from transforms.subject.subject import find_subject


def test_frames_come_back_as_they_were_written() -> None:
    decoded = decoder()(raw(3, "frames"), epoch=0)
    assert decoded.frames_THWC is not None
    wanted = np.stack([np.roll(shards_of.picture(3, 32, 32), 2 * t, axis=1) for t in range(4)])
    assert decoded.frames_THWC.shape == (4, 32, 32, 3)
    assert np.abs(decoded.frames_THWC.astype(int) - wanted).mean() < 8  # JPEG


def test_frames_of_another_size_are_fitted() -> None:
    frames_THWC = decoder()(raw(0, "frames", size=48), 0).frames_THWC
    assert frames_THWC.shape == (4, 32, 32, 3)


def test_a_path_that_leaves_the_picture_is_an_error_of_that_sample() -> None:
    key, members = shards_of.sample(0)
    members["json"] = members["json"].replace(b'"quads":[[[0.0,0.0]', b'"quads":[[[-0.5,0.0]')
    with pytest.raises(ValueError, match="quads"):
        decoder(camera="stored")(RawSample("x", key, members), 0)


def test_stills_move_anew_every_epoch_and_the_same_in_the_same_epoch() -> None:
    sample, decode = raw(4), decoder()
    paths = [decode(sample, epoch).quads_T42 for epoch in (0, 1, 1)]
    assert not np.array_equal(paths[0], paths[1])
    assert np.array_equal(paths[1], paths[2])
    assert all(p.min() >= 0 and p.max() <= 1 and p.shape == (4, 4, 2) for p in paths)
    stored = decoder(training=False)(sample, 3).quads_T42
    assert np.array_equal(stored, sample.meta().quads_T42())


def test_only_the_motions_asked_for_are_drawn() -> None:
    path = decoder(motions=["static"])(raw(4), 0).quads_T42
    assert np.array_equal(path, np.repeat(path[:1], 4, axis=0))


def test_epochs_take_a_samples_captions_in_turn() -> None:
    captions = tuple(f"caption {i}" for i in range(5))
    samples = [raw(index, captions=captions) for index in range(20)]
    decode = decoder()
    for sample in samples[:3]:
        ten = [decode(sample, epoch).captions for epoch in range(10)]
        assert sorted(ten) == sorted([(caption,) for caption in captions] * 2)
    assert len({decode(sample, 0).captions for sample in samples}) > 1  # where they begin differs by key
    assert decoder(training=False)(samples[0], 0).captions == captions


def test_many_at_once_are_as_one_by_one_and_broken_ones_leave_no_gap() -> None:
    samples = [raw(0), raw(1), raw(2, "frames"), raw(3), raw(4), raw(5, "mp4"), raw(6)]
    samples[1].members["jpg"] = samples[1].members["jpg"][:-100]  # good header, breaks off
    samples[3].members["json"] = b"{"
    samples[4].members.pop("jpg")
    decode, pixels = decoder(), Pixels(shared=False)
    together = decode.all([Request(sample, 2) for sample in samples], pixels)
    assert [isinstance(made, ValueError) for made in together] == [i in (1, 3, 4) for i in range(7)]
    assert "s000004" in str(together[4]) or "jpg is missing" in str(together[4])
    for made, sample in zip(together, samples, strict=True):
        if not isinstance(made, Exception):
            alone = decode(sample, 2)
            for name in ("frames_THWC", "picture_HWC", "quads_T42", "captions", "identity"):
                assert np.array_equal(getattr(made, name), getattr(alone, name))
    stills = [made.picture_HWC.reshape(-1) for made in (together[0], together[6])]
    assert np.array_equal(pixels.take().numpy(), np.concatenate(stills))


def test_members_of_other_pictures_decode_too() -> None:
    import cv2

    image = shards_of.picture(5)
    png = cv2.imencode(".png", image[..., ::-1])[1].tobytes()
    key, members = shards_of.sample(5)
    members = {"png": png, **{k: v for k, v in members.items() if k != "jpg"}}
    decoded = decoder(camera="stored")(RawSample("x", key, members), 0)
    assert decoded.picture_HWC is not None
    assert (
        np.array_equal(decoded.picture_HWC[:4, :4], image[:4, :4]) or decoded.picture_HWC.shape != image.shape
    )


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


def test_equal_captions_make_clips_equal_in_training_alone() -> None:
    samples = [RawSample("x", *shards_of.sample(i, "frames", captions=("the same",))) for i in range(2)]
    one, other = (decoder(equal_captions=True)(sample, 0).identity for sample in samples)
    assert one.content == other.content
    assert one.item != other.item
    for usual in (decoder(), decoder(training=False, equal_captions=True)):
        one, other = (usual(sample, 0).identity for sample in samples)
        assert one.content != other.content


def test_fresh_paths_keep_the_boxes_of_key_json_in_view() -> None:
    box = [72.0, 4.0, 48.0, 48.0]  # of a picture of 96x128, which is stored at half its size
    sample = raw(4)
    values = json.loads(sample.members["json"]) | {"meta": {"boxes": [box]}}
    values |= {"original_height": 96, "original_width": 128}
    sample.members["json"] = json.dumps(values).encode()
    subject = find_subject([tuple(box)], (96, 128), lambda: shards_of.picture(4))
    mix = ["pan_left", "zoom_in"]
    kept = decoder(motions={"focus": "subject", "mix": mix}, motion_phrases=1.0, paths_per_picture=2)
    free = decoder(motions=mix)
    after = [kept(sample, epoch, path).quads_T42 for epoch in range(20) for path in (0, 1)]
    before = [free(sample, epoch).quads_T42 for epoch in range(20)]
    assert min(subject.held(path).min() for path in after) >= 0.6
    assert min(subject.held(path).min() for path in before) < 0.4


def test_fresh_paths_over_a_still_without_boxes_keep_what_is_salient_in_view() -> None:
    sample = raw(4)
    picture = decode_stored(sample.members["jpg"])
    subject = find_subject([], picture.shape[:2], lambda: picture)
    kept, free = (decoder(motions=m) for m in ({"focus": "subject", "mix": ["zoom_in"]}, ["zoom_in"]))
    after, before = (
        np.mean([subject.held(decode(sample, epoch).quads_T42).min() for epoch in range(20)])
        for decode in (kept, free)
    )
    assert after > before


def test_boxes_that_are_none_fail_their_sample() -> None:
    sample = raw(4)
    sample.members["json"] = sample.members["json"].replace(b'"meta":{}', b'"meta":{"boxes":[[1]]}')
    with pytest.raises(ValueError, match="is no box"):
        decoder(motions={"focus": "subject"})(sample, 0)


def test_the_first_caption_alone_is_used_on_request() -> None:
    sample = raw(1, captions=("one", "two", "three"))
    assert {decoder(captions="first")(sample, epoch).captions for epoch in range(4)} == {("one",)}
    assert len({decoder()(sample, epoch).captions for epoch in range(4)}) == 3


@pytest.mark.parametrize("kind", ["segments", "start"])
def test_frames_of_long_clips_are_drawn_by_epoch_and_even_in_evaluation(kind: str) -> None:
    sample = raw(1, "frames", frames=20)
    training, even = decoder(frame_jitter=kind), decoder()
    epochs = [training(sample, epoch).frames_THWC for epoch in (0, 1, 1)]
    assert epochs[0].shape == (4, 32, 32, 3)
    assert not np.array_equal(epochs[0], epochs[1])
    assert np.array_equal(epochs[1], epochs[2])
    evaluated = decoder(training=False, frame_jitter=kind)(sample, 0).frames_THWC
    assert np.array_equal(evaluated, even(sample, 0).frames_THWC)


def test_a_picture_is_a_clip_of_one_frame_on_request() -> None:
    decode = decoder(camera="picture")
    decoded = decode(raw(4), 0)
    assert decoded.quads_T42.shape == (1, 4, 2)
    assert decoded.motion == "static"
    extent = np.ptp(decoded.quads_T42[0], axis=0)
    assert extent.tolist() == [0.75, 1.0]  # the largest square in 48x64
    epochs = {decode(raw(4), epoch).quads_T42.tobytes() for epoch in range(5)}
    assert len(epochs) > 1
    assert decode(raw(4, "video"), 0).frames_THWC.shape[0] == 4, "videos keep their frames"
    assert decoder(training=False, camera="picture")(raw(4), 0).quads_T42.shape == (4, 4, 2)
    with pytest.raises(ValueError, match="no effect with camera=picture"):
        decoder(camera="picture", motion_phrases=1.0)


@pytest.mark.parametrize("store", ["still", "frames"])
def test_a_request_limits_the_frames(store: str) -> None:
    (decoded,) = decoder().all([Request(raw(4, store), 0, frames=2)])
    frames = decoded.quads_T42 if decoded.frames_THWC is None else decoded.frames_THWC
    assert len(frames) == 2
