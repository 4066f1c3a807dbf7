"""Known values of every motion that is a formula, read off the quads."""

import numpy as np
import pytest

from transforms.motions import built_in_motions, curves, sample_motion, view_sizes
from transforms.motions.builtin.moves import smooth_noise

SQUARE = {"image_size": (600, 600), "size": (100, 100), "frames": 5, "seed": 7}
T = np.linspace(0.0, 1.0, 5)
PANS = {
    "pan_left": (-1, 0),
    "pan_right": (1, 0),
    "pan_up": (0, -1),
    "pan_down": (0, 1),
    "pan_up_left": (-1, -1),
    "pan_up_right": (1, -1),
    "pan_down_left": (-1, 1),
    "pan_down_right": (1, 1),
}


def box(quad_42):
    """Left, top, right, bottom of an upright quad."""
    (left, top), (right, _), (_, bottom), _ = quad_42.tolist()
    return [left, top, right, bottom]


def test_what_is_there():
    assert set(built_in_motions()) == {
        *(
            "static",
            "held",
            "zoom_in",
            "zoom_out",
            *PANS,
            "rotate_cw",
            "rotate_ccw",
            "ken_burns",
            "crop_jitter",
        ),
        *("tilt", "tilt_left", "tilt_right", "tilt_up", "tilt_down"),
        "keyframes",
    }


def test_static_is_the_whole_picture():
    assert sample_motion("static", **SQUARE).tolist() == [[[0, 0], [1, 0], [1, 1], [0, 1]]] * 5


@pytest.mark.parametrize("zoom", [1.0, 1.6, 8.0])
def test_held_rests_on_a_view_of_the_drawn_size_anywhere(zoom):
    views = [sample_motion("held", zoom=zoom, **SQUARE | {"seed": seed}) for seed in range(200)]
    for quads_T42 in views:
        assert (quads_T42 == quads_T42[:1]).all()
        np.testing.assert_allclose(view_sizes(quads_T42, (1, 1)), 1 / zoom, atol=1e-6)
    corners = np.array([quads_T42[0, 0] for quads_T42 in views])
    assert np.ptp(corners) <= 1 - 1 / zoom + 1e-6
    np.testing.assert_allclose(corners.mean(0), (1 - 1 / zoom) / 2, atol=0.05)


def test_held_makes_room_for_another_motion():
    """A pan inside a held view is the same pan, seen closer."""
    near = curves(sample_motion("held+pan_left", held__zoom=2.0, distance=0.3, **SQUARE), (600, 600), 12.0)
    far = curves(sample_motion("pan_left", distance=0.3, **SQUARE), (600, 600), 12.0)
    np.testing.assert_allclose(near["zoom"], 2 * far["zoom"], rtol=1e-5)
    np.testing.assert_allclose(np.diff(near["x"]), np.diff(far["x"]) / 2, atol=1e-6)


@pytest.mark.parametrize(("name", "order"), [("zoom_in", 1), ("zoom_out", -1)])
def test_zoom_goes_from_the_whole_picture_to_the_focus(name, order):
    quads_T42 = sample_motion(name, zoom=1 / 0.6, focus_x=0.0, focus_y=1.0, **SQUARE)[::order]
    np.testing.assert_allclose(box(quads_T42[0]), [0, 0, 1, 1])
    np.testing.assert_allclose(box(quads_T42[-1]), [0, 0.4, 0.6, 1], atol=1e-6)
    np.testing.assert_allclose(
        view_sizes(quads_T42, (1, 1))[:, 0], 0.6**T, atol=1e-6
    )  # the same pace throughout


def test_a_zoom_keeps_its_focus_in_place_on_the_screen():
    quads_T42 = sample_motion("zoom_in", zoom=3.0, focus_x=0.3, focus_y=0.8, **SQUARE)
    on_screen_T = (0.3 - quads_T42[:, 0, 0]) / (quads_T42[:, 1, 0] - quads_T42[:, 0, 0])
    np.testing.assert_allclose(on_screen_T, 0.3, atol=1e-5)


def test_a_zoom_goes_anywhere():
    corners = np.array(
        [sample_motion("zoom_in", zoom=2.0, **SQUARE | {"seed": seed})[-1, 0] for seed in range(300)]
    )
    assert corners.min() < 0.02
    assert corners.max() > 0.48
    np.testing.assert_allclose(corners.mean(0), 0.25, atol=0.03)


@pytest.mark.parametrize(("name", "way"), PANS.items())
def test_pan_moves_the_view_by_its_distance(name, way):
    found = curves(sample_motion(name, distance=0.5, **SQUARE), (600, 600), 12.0)
    side = 1 / 1.5
    for axis, sign in zip("xy", way, strict=True):
        if sign:  # the path fills the picture
            np.testing.assert_allclose(found[axis], 0.5 + sign * (T - 0.5) * 0.5 * side, atol=1e-6)
        else:
            np.testing.assert_array_equal(found[axis], found[axis][0])
    np.testing.assert_allclose(found["zoom"], 1 / side, rtol=1e-5)


@pytest.mark.parametrize(("name", "sign"), [("rotate_cw", 1), ("rotate_ccw", -1)])
def test_rotation_turns_about_the_middle_at_one_size(name, sign):
    quads_T42 = sample_motion(name, degrees=90.0, **SQUARE)
    found = curves(quads_T42, (600, 600), 12.0)
    np.testing.assert_allclose(found["angle"], sign * 90.0 * T, atol=1e-3)
    np.testing.assert_allclose(
        found["zoom"], np.sqrt(2.0), rtol=1e-5
    )  # at 45 degrees a square needs root 2 of room
    np.testing.assert_allclose([found["x"], found["y"]], 0.5, atol=1e-6)
    # clockwise: the top-left corner of the view moves to the top right
    np.testing.assert_allclose(quads_T42[-1, 0], quads_T42[0, 1 if sign > 0 else 3], atol=1e-6)


def test_ken_burns_moves_and_zooms_at_once():
    found = curves(
        sample_motion("ken_burns", zoom=2.0, distance=0.4, direction=90.0, **SQUARE), (600, 600), 12.0
    )
    np.testing.assert_allclose(found["zoom"] / found["zoom"][0], 2.0**T, rtol=1e-5)
    np.testing.assert_allclose((found["y"] - found["y"][0]) * found["zoom"][0], 0.4 * T, atol=1e-5)
    np.testing.assert_allclose(found["x"], found["x"][0], atol=1e-6)
    out = curves(sample_motion("ken_burns", zoom=0.5, **SQUARE), (600, 600), 12.0)
    assert out["zoom"][-1] < out["zoom"][0]


@pytest.mark.parametrize(
    ("name", "far", "near"),
    [
        ("tilt_left", (0, 3), (1, 2)),
        ("tilt_right", (1, 2), (0, 3)),
        ("tilt_up", (0, 1), (3, 2)),
        ("tilt_down", (3, 2), (0, 1)),
    ],
)
def test_tilt_sees_more_on_the_side_that_recedes(name, far, near):
    quads_T42 = sample_motion(name, degrees=30.0, **SQUARE)
    length = {
        side: np.linalg.norm(quads_T42[:, side[0]] - quads_T42[:, side[1]], axis=1) for side in (far, near)
    }
    assert (np.diff(length[far] / length[near]) > 0).all()
    np.testing.assert_allclose(length[far][0], length[near][0], atol=1e-6)


def test_tilt_takes_any_direction():
    for direction, name in [(0, "tilt_right"), (90, "tilt_down"), (180, "tilt_left"), (-90, "tilt_up")]:
        turned_T42 = sample_motion("tilt", degrees=20.0, direction=direction, **SQUARE)
        np.testing.assert_allclose(turned_T42, sample_motion(name, degrees=20.0, **SQUARE), atol=1e-6)


def test_jitter_stays_within_its_amplitude_and_moves():
    for seed in range(200):
        quads_T42 = sample_motion(
            "crop_jitter", amplitude=0.05, roll=2.0, **SQUARE | {"frames": 48, "seed": seed}
        )
        found = curves(quads_T42, (600, 600), 12.0)
        side = 1.0 / found["zoom"].mean()
        for axis, limit in (("x", 0.1 * side), ("y", 0.1 * side), ("angle", 4.0)):
            assert 0.1 * limit < np.ptp(found[axis]) <= limit * 1.001


def test_jitter_is_smooth():
    """Band-limited: next to nothing of its energy lies above its frequency."""
    seconds_T = np.arange(960) / 24.0
    for seed in range(20):
        noise_3T = smooth_noise(seconds_T, 2.0, np.random.default_rng(seed))
        power_3F = (
            np.abs(np.fft.rfft((noise_3T - noise_3T.mean(1, keepdims=True)) * np.hanning(960), axis=1)) ** 2
        )
        above_F = np.fft.rfftfreq(960, 1 / 24.0) > 2.15
        assert power_3F[:, above_F].sum() < 1e-4 * power_3F.sum()
        assert np.abs(noise_3T).max() <= 1.0


def test_jitter_never_turns_into_noise_at_a_low_frame_rate():
    slow_T42 = sample_motion("crop_jitter", frequency=12.0, fps=3.0, **SQUARE)
    np.testing.assert_array_equal(slow_T42, sample_motion("crop_jitter", frequency=1.0, fps=3.0, **SQUARE))
    assert sample_motion("crop_jitter", **SQUARE | {"frames": 1}).shape == (1, 4, 2)


def test_jitter_runs_in_seconds():
    """Twice the frames at twice the frame rate pass through the same views."""
    coarse_T42 = sample_motion("crop_jitter", fps=12.0, **SQUARE | {"frames": 13})
    fine_T42 = sample_motion("crop_jitter", fps=24.0, **SQUARE | {"frames": 25})
    shape = [curves(q, (600, 600), 1.0)["angle"] for q in (coarse_T42, fine_T42[::2])]
    np.testing.assert_allclose(*shape, atol=1e-3)
