"""Paths that are written by hand as a list of views."""

import json
from itertools import pairwise

import numpy as np
import pytest

from schemas.errors import ConfigError
from transforms.motions import MotionMix, curves, draw, sample_motion, sample_trajectory
from transforms.motions.builtin.keyframes import as_motions
from transforms.motions.phrases import motion_meaning, motion_phrase

SQUARE = {"image_size": (600, 600), "size": (100, 100), "seed": 7}
VIEWS = [{"zoom": 1}, {"zoom": 2, "x": 0.25, "y": -0.25}, {"zoom": 2, "x": -0.25, "y": 0.25}]


def box(quad_42):
    """Left, top, right, bottom of an upright quad."""
    (left, top), (right, _), (_, bottom), _ = quad_42.tolist()
    return [left, top, right, bottom]


def test_the_camera_is_at_each_view_at_its_time():
    quads_T42 = sample_motion("keyframes", views=VIEWS, frames=5, **SQUARE)
    np.testing.assert_allclose(box(quads_T42[0]), [0, 0, 1, 1], atol=1e-6)
    np.testing.assert_allclose(box(quads_T42[2]), [0.5, 0, 1, 0.5], atol=1e-6)
    np.testing.assert_allclose(box(quads_T42[4]), [0, 0.5, 0.5, 1], atol=1e-6)


def test_at_says_when_a_view_is_reached():
    views = [{"zoom": 1}, {"zoom": 2, "at": 0.25}, {"zoom": 1, "at": 0.5}]
    zoom_T = curves(sample_motion("keyframes", views=views, frames=9, **SQUARE), (600, 600), 8.0)["zoom"]
    np.testing.assert_allclose(
        zoom_T, [1, 2**0.5, 2, 2**0.5, 1, 1, 1, 1, 1], rtol=1e-5
    )  # and rests after the last


def test_corners_go_straight_from_view_to_view():
    quads_T42 = sample_motion("keyframes", views=VIEWS[:2], frames=7, **SQUARE).astype(float)
    ways_T2 = quads_T42[:, 0] - quads_T42[0, 0]
    np.testing.assert_allclose(ways_T2[:, 1], 0.0, atol=1e-6)  # the upper left corner stays at the top
    steps_T = np.diff(quads_T42[:, 0, 0])
    assert (steps_T > 0).all()
    zoom_T = curves(sample_motion("keyframes", views=VIEWS[:2], frames=7, **SQUARE), (600, 600), 8.0)["zoom"]
    np.testing.assert_allclose(zoom_T[1:] / zoom_T[:-1], 2 ** (1 / 6), rtol=1e-5)  # at an even pace


def test_angles_turn_clockwise():
    quads_T42 = sample_motion("keyframes", views=[{"angle": -10}, {"angle": 350}], frames=9, **SQUARE)
    angle_T = curves(quads_T42, (600, 600), 8.0)["angle"]
    np.testing.assert_allclose(angle_T, np.linspace(-10, 350, 9), atol=1e-3)


@pytest.mark.parametrize("image_size", [(480, 640), (640, 480), (300, 1500)])
def test_no_view_leaves_the_picture(image_size):
    views = [{"x": -3, "zoom": 0.125}, {"x": 3, "y": 4, "zoom": 8, "angle": 77}, {"y": -4, "angle": -300}]
    quads_T42 = sample_motion("keyframes+crop_jitter", views=views, image_size=image_size, seed=3)
    assert quads_T42.min() >= 0.0
    assert quads_T42.max() <= 1.0


def test_what_is_drawn_makes_the_same_path_again():
    mix = MotionMix.make([{"name": "keyframes", "views": VIEWS, "easing": ["linear", "ease_in_out"]}])
    drawn = draw(mix, seed=7, image_size=(480, 640))
    stored = json.loads(json.dumps(dict(drawn.parameters)))
    assert stored["views"] == VIEWS
    again = sample_trajectory("keyframes", seed=7, image_size=(480, 640), parameters=stored)
    np.testing.assert_array_equal(again.quads_T42, drawn.quads_T42)
    assert MotionMix.make(mix.to_dict()) == mix


@pytest.mark.parametrize(
    ("views", "words"),
    [
        ("left", "a list of 2 to 64 views"),
        ([{"zoom": 2}], "a list of 2 to 64 views"),
        ([{}] * 65, "a list of 2 to 64 views"),
        ([{}, 3], r"views\[1\] = '3': a view is a mapping"),
        ([{}, {"zooom": 2}], r"views\[1\]: unknown field 'zooom'; the nearest is zoom"),
        ([{}, {"zoom": 0}], r"views\[1\].zoom = '0': it must be 0.125 to 8"),
        ([{}, {"x": float("nan")}], r"views\[1\].x = 'nan': it must be -4 to 4"),
        ([{}, {"x": True}], r"views\[1\].x = 'True': it must be -4 to 4"),
        ([{"at": 0.5}, {"at": 0.5}], r"views\[1\] is at 0.5, and the view before it at 0.5"),
        ([{}, {"at": 1}, {}], r"views\[2\] is at 1, and the view before it at 1"),
    ],
)
def test_a_view_that_cannot_be_is_named(views, words):
    with pytest.raises(ConfigError, match=words):
        sample_motion("keyframes", views=views, **SQUARE)


def test_what_the_camera_does_between_views():
    assert as_motions(VIEWS) == [
        [("zoom_in", {"zoom": 2.0})],  # to a view inside the first: no pan
        [("pan_down_left", {"distance": 1.0})],
    ]
    turned = as_motions([{"zoom": 2}, {"x": 1, "zoom": 1, "angle": -15}, {"x": 1, "angle": -15}])
    assert turned == [
        [("pan_right", {"distance": 0.75}), ("zoom_out", {"zoom": 2.0}), ("rotate_ccw", {"degrees": 15})],
        [("static", {})],
    ]


def test_a_caption_says_it_in_order():
    for seed in range(10):
        phrase = motion_phrase("keyframes", {"views": VIEWS}, seed)
        first, then = phrase.split(", then ")
        assert any(words in first for words in ("zooms in", "moves closer", "pushes in"))
        assert "left" in then
        assert "down" in then
    assert motion_meaning("keyframes", {"views": VIEWS}) == "zooms in, then pans down and to the left"
    assert motion_phrase("keyframes+crop_jitter", {"keyframes.views": VIEWS}, 0) is None
    assert motion_phrase("keyframes", {"views": [{"zoom": "wide"}]}, 0) is None  # a foreign clip


def test_views_of_one_place_are_a_rest():
    quads_T42 = sample_motion("keyframes", views=[{"zoom": 2}, {"zoom": 2}], frames=4, **SQUARE)
    assert all((first == second).all() for first, second in pairwise(quads_T42))
