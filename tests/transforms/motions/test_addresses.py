from __future__ import annotations

import pytest

from schemas.errors import ConfigError
from transforms.motions.addresses import address
from transforms.motions.lookup import find_motion

MOTIONS = {name: find_motion(name) for name in ("zoom_in", "pan_left")}


def test_a_plain_name_goes_to_the_one_motion_that_has_it():
    found = address("zoom_in>pan_left", MOTIONS, {"distance": 0.2})
    assert found == {("pan_left", "distance"): ("distance", 0.2, False)}


def test_timing_named_plainly_holds_for_all():
    found = address("zoom_in>pan_left", MOTIONS, {"speed": 2.0, "pan_left.speed": 3.0})
    assert found["zoom_in", "speed"] == ("speed", 2.0, True)
    assert found["pan_left", "speed"] == ("pan_left.speed", 3.0, False)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"distanse": 0.2}, "unknown parameter 'distanse'; the nearest is distance"),
        ({"pan_left.zoom": 2}, "unknown parameter 'pan_left.zoom'; the nearest is"),
        ({"zoom": 2, "zoom_in__zoom": 3}, "zoom_in.zoom is given twice; give it once"),
    ],
)
def test_mistakes_are_one_line(parameters, words):
    with pytest.raises(ConfigError) as error:
        address("zoom_in>pan_left", MOTIONS, parameters)
    assert words in str(error.value)


def test_a_name_that_two_have_must_say_whose():
    two = {"zoom_in": find_motion("zoom_in"), "zoom_in_2": find_motion("zoom_in")}
    with pytest.raises(ConfigError, match=r"zoom is ambiguous; say zoom_in\.zoom or zoom_in_2\.zoom"):
        address("zoom_in>zoom_in", two, {"zoom": 2})
