import json

import pytest
from studio_requests import CLIP, get, post

from preview.studio.pictures import PictureBook
from preview.studio.state import Studio
from schemas.errors import ConfigError
from transforms.motions import built_in_motions
from transforms.settings import ClipConfig


def test_state_lists_every_motion_with_units_and_ranges(pictures):
    state = json.loads(get(Studio(PictureBook([str(pictures)])), "/api/state")[1])
    assert [m["name"] for m in state["motions"]] == [
        name for name in built_in_motions() if name != "keyframes"
    ]
    zoom = state["motions"][1]["parameters"][0]
    assert (zoom["name"], zoom["low"], zoom["high"], zoom["unit"]) == ("zoom", 1.0, 8.0, "x")
    assert [p["name"] for p in state["pictures"]] == ["Cat 0.png", "Cat 1.png"]


def test_the_limits_of_the_page_are_those_of_the_job(pictures):
    limits = json.loads(get(Studio(PictureBook([str(pictures)])), "/api/state")[1])["limits"]
    for name in ("frames", "fps"):
        for value in (limits[name]["high"], limits[name]["low"] or 0.01):
            ClipConfig.make({name: value})
        with pytest.raises(ConfigError):
            ClipConfig.make({name: limits[name]["high"] + 1})
    assert ClipConfig.make({"size": (limits["height"]["low"], limits["width"]["high"])})
    at_the_limits = {
        "frames": 1,
        "fps": limits["fps"]["high"],
        "width": limits["width"]["high"],
        "height": 16,
    }
    assert post(Studio(PictureBook([str(pictures)])), "/api/clip", {**CLIP, **at_the_limits})[0] == 200


def test_presets_can_be_drawn_and_name_what_is_there(pictures):
    studio = Studio(PictureBook([str(pictures)]))
    presets = json.loads(get(studio, "/api/state")[1])["presets"]
    assert len({preset["name"] for preset in presets}) == len(presets) >= 5
    for preset in presets:
        wanted = {**CLIP, "motions": preset["motions"], "focus": preset["focus"]}
        assert post(studio, "/api/clip", wanted)[0] == 200, preset["name"]
