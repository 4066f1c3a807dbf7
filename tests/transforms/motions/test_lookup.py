from __future__ import annotations

import pytest

from schemas.errors import ConfigError
from transforms.motions.lookup import built_in_motions, find_motion, nearest_or_known


def test_every_built_in_motion_is_found_by_its_name():
    for name, motion in built_in_motions().items():
        assert find_motion(name) is motion
        assert motion.name == name


def test_a_motion_is_found_by_import_path():
    assert find_motion("transforms.motions.builtin.moves:zoom_in") is find_motion("zoom_in")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "zom_in",
            "unknown motion 'zom_in'; the nearest is zoom_in; your own are written package.module:name",
        ),
        ("qqq", "known: static, held, zoom_in"),
        ("transforms.motions.lookup:find_motion", "is a function, not a motion; decorate"),
        ("nowhere.at_all:dolly", "cannot be imported"),
    ],
)
def test_mistakes_are_one_line(name, words):
    with pytest.raises(ConfigError) as error:
        find_motion(name)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_hint_names_the_nearest_or_all():
    assert nearest_or_known("zoon", ["zoom", "pan"]) == "the nearest is zoom"
    assert nearest_or_known("x", ["zoom", "pan"]) == "known: zoom, pan"
