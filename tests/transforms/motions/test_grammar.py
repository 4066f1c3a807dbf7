from __future__ import annotations

import pytest

from schemas.errors import ConfigError
from transforms.motions.grammar import canonical, labels, parse, shot_lengths


def read(name):
    return [(piece.name, piece.shot, piece.start, piece.end) for piece in parse(name)]


def test_one_motion_has_the_whole_clip():
    assert read(" zoom_in ") == [("zoom_in", 0, 0.0, 1.0)]


def test_motions_at_once_share_their_time():
    assert read("a+b") == [("a", 0, 0.0, 1.0), ("b", 0, 0.0, 1.0)]


def test_steps_follow_one_another_within_a_shot():
    assert read("a>b+c>d>e") == [
        ("a", 0, 0.0, 0.25),
        ("b", 0, 0.25, 0.5),
        ("c", 0, 0.25, 0.5),
        ("d", 0, 0.5, 0.75),
        ("e", 0, 0.75, 1.0),
    ]


def test_a_cut_binds_loosest():
    assert read("a+b > c | m:d") == [
        ("a", 0, 0.0, 0.5),
        ("b", 0, 0.0, 0.5),
        ("c", 0, 0.5, 1.0),
        ("m:d", 1, 0.0, 1.0),
    ]


@pytest.mark.parametrize("name", ["", " ", "a+", ">a", "a||b", "a>+b", 3, None])
def test_a_missing_motion_is_one_line(name):
    with pytest.raises(ConfigError, match="write a motion's name, or several joined by '\\+'") as error:
        parse(name)
    assert "\n" not in str(error.value)


def test_spaces_do_not_count():
    assert canonical(" zoom_in > pan_left+ crop_jitter|held ") == "zoom_in>pan_left+crop_jitter|held"


def test_labels_count_repeated_names():
    assert labels(["a", "b", "a", "a"]) == ["a", "b", "a_2", "a_3"]


@pytest.mark.parametrize(
    ("frames", "shots", "lengths"), [(12, 1, [12]), (12, 2, [6, 6]), (5, 2, [3, 2]), (1, 3, [1, 0, 0])]
)
def test_shots_share_the_frames(frames, shots, lengths):
    assert shot_lengths(frames, shots) == lengths
