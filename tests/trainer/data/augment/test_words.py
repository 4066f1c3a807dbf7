"""Left and right in captions of mirrored clips."""

import pytest

from trainer.data.augment.words import can_be_mirrored, mirrored
from transforms.motions.phrases import motion_meaning, motion_phrase

PAIRS = [
    ("A dog on the left.", "A dog on the right."),
    ("LEFT and Right, right-hand side", "RIGHT and Left, left-hand side"),
    ("the leftmost of two, rightwards", "the rightmost of two, leftwards"),
    ("as the camera turns clockwise", "as the camera turns counter-clockwise"),
    ("while it moves up and to the left", "while it moves up and to the right"),
    ("a bright cleft, upright", "a bright cleft, upright"),
]


@pytest.mark.parametrize(("text", "other"), PAIRS)
def test_whole_words_change_sides_and_keep_their_case(text, other):
    assert mirrored(text) == other
    assert mirrored(other) == text


def test_counterclockwise_has_three_spellings():
    for word in ("counterclockwise", "anticlockwise", "anti-clockwise"):
        assert mirrored(f"turns {word}") == "turns clockwise"


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("a cup to the left of a plate", True),
        ("he left the room", False),
        ("a bike is left behind", False),
        ("right next to a tree", False),
        ("a human rights march", False),
        ("turn right", True),
    ],
)
def test_captions_whose_left_or_right_is_no_side_are_recognised(text, fine):
    assert can_be_mirrored(text) is fine


@pytest.mark.parametrize(
    ("motion", "other"),
    [
        ("pan_left", "pan_right"),
        ("pan_up_left", "pan_up_right"),
        ("rotate_cw", "rotate_ccw"),
        ("tilt_left", "tilt_right"),
    ],
)
def test_a_mirrored_phrase_is_that_of_the_mirrored_motion(motion, other):
    assert mirrored(motion_meaning(motion, {})) == motion_meaning(other, {})
    phrases = [{motion_phrase(name, {}, seed) for seed in range(60)} for name in (motion, other)]
    assert {mirrored(phrase) for phrase in phrases[0]} == phrases[1]
