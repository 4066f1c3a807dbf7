"""Paths whose every view holds enough of the subject."""

import numpy as np

from transforms.motions.mix import MotionMix, draw
from transforms.subject.subject import find_subject

SHAPE = {"image_size": (400, 600), "frames": 12, "size": (224, 224)}
RIGHT = (400.0, 100.0, 150.0, 200.0)  # a box in a picture of 400x600


def no_picture():
    raise AssertionError("boxes need no picture")


def poorest(mix, subject, seeds=150):
    paths = [draw(mix, seed=seed, subject=subject, **SHAPE) for seed in range(seeds)]
    return np.array([subject.held(path.quads_T42).min() for path in paths]), paths


def test_every_view_holds_the_share_and_the_mix_keeps_its_motions():
    subject = find_subject([RIGHT], (400, 600), no_picture)
    before, free = poorest(MotionMix.default(), subject)
    after, kept = poorest(MotionMix.make({"focus": "subject", "subject_share": 0.6}), subject)
    assert (before >= 0.6).mean() < 0.7
    assert (after >= 0.6).mean() > 0.9
    assert (after >= before).all()
    assert [path.motion for path in kept] == [path.motion for path in free]
    same = [a.quads_T42.tobytes() == b.quads_T42.tobytes() for a, b in zip(kept, free, strict=True)]
    assert same == (before >= 0.6).tolist(), "a clip that holds the subject anyway stays as it is"


def test_a_share_that_no_path_reaches_gives_the_best_of_the_draws():
    everything = find_subject([(0.0, 0.0, 600.0, 400.0)], (400, 600), no_picture)
    after, _ = poorest(
        MotionMix.make({"focus": "subject", "subject_share": 1.0, "mix": ["zoom_in"]}), everything, 20
    )
    before, _ = poorest(MotionMix.make(["zoom_in"]), everything, 20)
    assert (after < 1.0).all()
    assert after.mean() > 1.2 * before.mean()


def test_the_draw_is_repeatable_and_free_without_a_focus_or_a_subject():
    subject = find_subject([RIGHT], (400, 600), no_picture)
    mix = MotionMix.make({"focus": "subject"})
    first, again = (draw(mix, seed=5, subject=subject, **SHAPE) for _ in range(2))
    assert first.quads_T42.tobytes() == again.quads_T42.tobytes()
    free = draw(MotionMix.default(), seed=5, **SHAPE).quads_T42.tobytes()
    assert draw(MotionMix.default(), seed=5, subject=subject, **SHAPE).quads_T42.tobytes() == free
    assert draw(mix, seed=5, **SHAPE).quads_T42.tobytes() == free
