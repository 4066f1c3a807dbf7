import numpy as np
import pytest

from transforms.motions.camera import Camera
from transforms.motions.motion import TIMING, Parameter, motion

ZOOM = Parameter("zoom", (1.2, 1.7), low=1.0, high=8.0, unit="x", log=True)


def test_a_parameter_takes_a_value_or_a_range():
    assert ZOOM.spec(2, "zoom") == (2.0, 2.0)
    assert ZOOM.spec([1.5, 2.5], "zoom") == (1.5, 2.5)
    assert ZOOM.spec((np.float32(1.5), np.int64(2)), "zoom") == (1.5, 2.0)
    assert TIMING[0].spec("ease_in", "easing") == ("ease_in",)
    assert TIMING[0].spec(["linear", "ease_in"], "easing") == ("linear", "ease_in")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (9, "zoom = 9 is out of range: it must be 1 to 8 x"),
        (0.5, "out of range"),
        ([1.5, 9], "out of range"),
        ([3, 2], "the first number of a range must not exceed the second"),
        ("2", "give one number or"),
        (True, "give one number or"),
        (None, "give one number or"),
        ([], "give one number or"),
        ([1, 2, 3], "give one number or"),
        (float("nan"), "give one number or"),
        (float("inf"), "give one number or"),
        ({"low": 1}, "give one number or"),
    ],
)
def test_a_value_that_cannot_be_is_told_in_one_line(value, words):
    with pytest.raises(ValueError, match=r".") as error:
        ZOOM.spec(value, "zoom")
    assert words in str(error.value)
    assert "zoom = " in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_choice_names_the_known_ones():
    with pytest.raises(
        ValueError, match="easing = 'fast': it must be one of linear, ease_in, ease_out, ease_in_out"
    ):
        TIMING[0].spec("fast", "easing")


def test_values_are_drawn_evenly_or_in_the_logarithm():
    plain = Parameter("distance", 0.0, high=4.0)
    assert plain.value((1.0, 3.0), 0.5) == 2.0
    assert ZOOM.value((1.0, 4.0), 0.5) == 2.0
    assert ZOOM.value((1.23456789, 1.23456789), 0.7) == 1.23456789
    assert TIMING[0].value(("linear", "ease_in"), 0.5) == "ease_in"
    drawn = [ZOOM.value((1.23456789, 1.23456799), u) for u in np.linspace(0, 0.999, 50)]
    assert all(1.23456789 <= value <= 1.23456799 for value in drawn)  # rounding never leaves the range


@pytest.mark.parametrize("name", ["Zoom", "a__b", "seed", "weight", "rng", "2x", "a.b"])
def test_parameter_names_that_could_not_be_addressed(name):
    with pytest.raises(ValueError, match="parameter name"):
        Parameter(name, 0.0)


def test_a_default_must_be_in_range():
    with pytest.raises(ValueError, match="out of range"):
        Parameter("zoom", (0.5, 2.0), low=1.0, high=8.0)
    with pytest.raises(ValueError, match="log=True needs low > 0"):
        Parameter("zoom", 1.0, log=True)


def test_the_decorator_makes_a_motion():
    @motion("drift", ZOOM)
    def drift(t_T, zoom, rng):
        """The camera drifts.

        Further words.
        """
        return Camera()

    assert (drift.name, drift.help) == ("drift", "The camera drifts.")
    assert [p.name for p in drift.own] == ["zoom"]
    assert drift.parameters == (ZOOM, *TIMING)
    assert drift.extras == {"rng"}


def test_the_decorator_refuses_what_does_not_agree():
    def wrong(t_T, zom):
        """Wrong."""

    def silent(t_T, zoom):
        return Camera()

    def timed(t_T, speed):
        """Timed."""

    with pytest.raises(ValueError, match=r"takes \['zom'\] after t_T, but its parameters are \['zoom'\]"):
        motion("wrong", ZOOM)(wrong)
    with pytest.raises(ValueError, match="must take t_T"):
        motion("nothing")(lambda: Camera())
    with pytest.raises(ValueError, match="docstring"):
        motion("silent", ZOOM)(silent)
    with pytest.raises(ValueError, match="must agree"):
        motion("timed", Parameter("speed", 1.0))(timed)
    with pytest.raises(ValueError, match="motion name"):
        motion("Bad Name", ZOOM)(silent)


def test_a_table_shows_the_first_of_many_choices():
    easing, speed = TIMING[:2]
    assert easing.brief == "linear, ease_in, ease_out, ease_in_out, ... (docs/motions.md)"
    assert "ease_in_out_quint, bezier(x1,y1,x2,y2)" in easing.allowed
    assert speed.brief == speed.allowed == "0.1 to 10 x"
