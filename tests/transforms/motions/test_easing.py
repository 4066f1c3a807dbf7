import numpy as np
import pytest

from transforms.motions import sample_motion
from transforms.motions.easing import EASINGS, easing_of, is_bezier, progress

BEZIERS = ("bezier(0.25,0.1,0.25,1)", "bezier(0,0,1,1)", "bezier(1, 0, 0, 1)", "bezier(0,1,0,1)")


@pytest.mark.parametrize("name", [*EASINGS, *BEZIERS])
def test_easings_keep_the_ends_and_never_go_back(name):
    p_T = np.linspace(0.0, 1.0, 101)
    eased_T = easing_of(name)(p_T)
    assert eased_T[0] == 0.0
    assert eased_T[-1] == 1.0
    assert (np.diff(eased_T) >= 0.0).all()


def test_easings_known_values():
    half = np.array([0.5])
    assert [float(EASINGS[name](half)[0]) for name in ("linear", "ease_in", "ease_out", "ease_in_out")] == [
        0.5,
        0.25,
        0.75,
        0.5,
    ]
    assert EASINGS["ease_in_out"](np.array([0.25]))[0] == 0.15625


@pytest.mark.parametrize(("name", "power"), [("cubic", 3), ("quart", 4), ("quint", 5)])
def test_powers_at_known_places(name, power):
    assert EASINGS[f"ease_in_{name}"](np.array([0.5]))[0] == 0.5**power
    assert EASINGS[f"ease_out_{name}"](np.array([0.5]))[0] == 1 - 0.5**power
    np.testing.assert_allclose(
        EASINGS[f"ease_in_out_{name}"](np.array([0.25, 0.5, 0.75])),
        [0.5 ** (power + 1), 0.5, 1 - 0.5 ** (power + 1)],
    )


def test_a_bezier_is_the_curve_of_css():
    """Values of cubic-bezier(0.25, 0.1, 0.25, 1), CSS's `ease`, from its definition at s = 1/4, 1/2, 3/4."""
    s = np.array([0.25, 0.5, 0.75])
    x = 3 * (1 - s) ** 2 * s * 0.25 + 3 * (1 - s) * s**2 * 0.25 + s**3
    y = 3 * (1 - s) ** 2 * s * 0.1 + 3 * (1 - s) * s**2 * 1.0 + s**3
    np.testing.assert_allclose(easing_of("bezier(0.25,0.1,0.25,1)")(x), y, atol=1e-12)
    p_T = np.linspace(0, 1, 21)
    np.testing.assert_allclose(easing_of("bezier(0.3,0.3,0.6,0.6)")(p_T), p_T, atol=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "bezier(0.1,0.2,0.3)",
        "bezier(2,0,0,1)",
        "bezier(0,-1,0,1)",
        "bezier(a,b,c,d)",
        "bezier(nan,0,0,1)",
        "b",
    ],
)
def test_other_texts_are_no_bezier(text):
    assert not is_bezier(text)
    with pytest.raises(ValueError, match=r"must be one of linear, .*bezier"):
        sample_motion("zoom_in", seed=1, image_size=(40, 40), easing=text)


def test_a_motion_takes_a_bezier():
    shape = {"seed": 1, "image_size": (400, 400), "zoom": 2.0}
    plain = sample_motion("zoom_in", **shape)
    eased = sample_motion("zoom_in", easing="bezier(1,0,0,1)", **shape)
    np.testing.assert_array_equal(plain[[0, -1]], eased[[0, -1]])
    assert not np.array_equal(plain, eased)
    drawn = {
        sample_motion("zoom_in", **{**shape, "seed": seed}, easing=["linear", "bezier(1,0,0,1)"]).tobytes()
        for seed in range(10)
    }
    assert len(drawn) == 10


def test_progress_is_linear_over_the_clip():
    np.testing.assert_allclose(progress(5), [0.0, 0.25, 0.5, 0.75, 1.0])
    assert progress(5).dtype == np.float64
    np.testing.assert_array_equal(progress(1), [0.0])


def test_holds_rest_at_either_end():
    np.testing.assert_allclose(
        progress(11, hold_start=0.2, hold_end=0.4), [0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1], atol=1e-12
    )


def test_speed_completes_sooner_or_only_in_part():
    np.testing.assert_allclose(progress(5, speed=2.0), [0.0, 0.5, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(progress(5, speed=0.5), [0.0, 0.125, 0.25, 0.375, 0.5])
    np.testing.assert_allclose(progress(5, speed=2.0, endless=True), [0.0, 0.5, 1.0, 1.5, 2.0])


def test_a_shared_progress_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        progress(7)[0] = 1.0
