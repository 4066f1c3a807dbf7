import numpy as np
import pytest

from transforms.motions.easing import EASINGS, progress


@pytest.mark.parametrize("name", EASINGS)
def test_easings_keep_the_ends_and_never_go_back(name):
    p_T = np.linspace(0.0, 1.0, 101)
    eased_T = EASINGS[name](p_T)
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
