"""Fresh paths over one picture."""

from __future__ import annotations

import numpy as np

from trainer.data.paths import draw_paths
from transforms.motions.mix import MotionMix

EIGHT = ["pan_left", "pan_right", "pan_up", "pan_down", "zoom_in", "zoom_out", "rotate_cw", "rotate_ccw"]
SHAPE = {"image_size": (48, 64), "frames": 4, "size": (32, 32), "fps": 8.0}


def paths(count: int, mix: list[str], **changes):
    options = {"seed": 3, "key": "k", "epoch": 0, **SHAPE, **changes}
    return draw_paths(MotionMix.make(mix), count, **options)


def test_paths_of_a_picture_have_different_motions_where_the_mix_has_enough() -> None:
    for key in ("a", "b", "c"):
        drawn = [path.motion for path in paths(4, EIGHT, key=key)]
        assert len(set(drawn)) == 4


def test_a_mix_of_one_motion_repeats_it_along_other_paths() -> None:
    one, other = paths(2, ["crop_jitter"])
    assert one.motion == other.motion == "crop_jitter"
    assert not np.array_equal(one.quads_T42, other.quads_T42)


def test_the_first_path_does_not_depend_on_how_many_there_are() -> None:
    for drawn in (paths(1, EIGHT), paths(5, EIGHT)):
        assert np.array_equal(drawn[0].quads_T42, paths(3, EIGHT)[0].quads_T42)


def test_paths_differ_by_epoch_and_are_the_same_again() -> None:
    assert np.array_equal(paths(2, EIGHT)[1].quads_T42, paths(2, EIGHT)[1].quads_T42)
    assert not np.array_equal(paths(1, EIGHT)[0].quads_T42, paths(1, EIGHT, epoch=1)[0].quads_T42)
