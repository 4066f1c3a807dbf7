import pytest

from transforms.motions.composition import clip_rng, find_motion, make_plan


def draw(name, parameters, seed=3):
    return make_plan(name, parameters).draw(
        clip_rng(seed), image_size=(480, 640), frames=4, size=(64, 64), fps=12.0
    )


def test_a_composition_names_its_parameters_with_their_motion():
    drawn = draw("rotate_cw + zoom_in", {"degrees": 10, "zoom_in.zoom": 2.0, "rotate_cw__speed": 0.5})
    assert drawn.motion == "rotate_cw+zoom_in"
    assert drawn.parameters["rotate_cw.degrees"] == 10.0
    assert drawn.parameters["zoom_in.zoom"] == 2.0
    assert (drawn.parameters["rotate_cw.speed"], drawn.parameters["zoom_in.speed"]) == (0.5, 1.0)
    assert "zoom_in.focus_x" in drawn.parameters


def test_plain_timing_holds_for_all_with_one_draw():
    drawn = draw(
        "rotate_cw+zoom_in+static", {"hold_start": [0.0, 0.5], "easing": ["linear", "ease_in", "ease_out"]}
    ).parameters
    assert drawn["rotate_cw.hold_start"] == drawn["zoom_in.hold_start"] > 0.0
    assert drawn["rotate_cw.easing"] == drawn["zoom_in.easing"]
    apart = draw("rotate_cw+zoom_in", {"hold_start": [0.0, 0.5], "zoom_in.hold_start": 0.25}).parameters
    assert apart["zoom_in.hold_start"] == 0.25 != apart["rotate_cw.hold_start"]


def test_a_motion_may_stand_twice():
    drawn = draw(
        "pan_left+crop_jitter+crop_jitter", {"crop_jitter.frequency": 0.5, "crop_jitter_2.frequency": 4.0}
    ).parameters
    assert (drawn["crop_jitter.frequency"], drawn["crop_jitter_2.frequency"]) == (0.5, 4.0)


def test_a_fixed_parameter_leaves_the_other_draws_alone():
    free = draw("zoom_in", {}).parameters
    fixed = draw("zoom_in", {"zoom": 3.0}).parameters
    assert fixed == {**free, "zoom": 3.0}


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("zom_in", {}, "unknown motion 'zom_in'; the nearest is zoom_in"),
        ("qqq", {}, "known: static, zoom_in"),
        ("zoom_in+", {}, "joined by '+'"),
        ("", {}, "joined by '+'"),
        (3, {}, "joined by '+'"),
        ("zoom_in", {"zom": 1}, "unknown parameter 'zom'; the nearest is zoom"),
        ("zoom_in", {"pan_left.distance": 1}, "unknown parameter 'pan_left.distance'"),
        ("zoom_in", {"zoom": 9}, "motion zoom_in: zoom = 9 is out of range: it must be 1 to 8 x"),
        ("static", {"easing": "linear"}, "unknown parameter 'easing'; it has none"),
        ("static", {"speed": 2.0}, "it has none"),
        ("zoom_in+zoom_out", {"zoom": 2}, "zoom is ambiguous; say zoom_in.zoom or zoom_out.zoom"),
        ("zoom_in+static", {"zoom": 2, "zoom_in.zoom": 3}, "zoom_in.zoom is given twice"),
        ("zoom_in+static", {"zoom_in__zoom": 2, "zoom": 3}, "zoom_in.zoom is given twice"),
        ("zoom_in+static", {"zoom_in__zoom": 2, "zoom_in.zoom": 3}, "zoom_in.zoom is given twice"),
        ("rotate_cw+zoom_in", {"zoom_in.zom": 2}, "the nearest is zoom_in.zoom"),
        (
            "zoom_in",
            {"hold_start": 0.5, "hold_end": [0.1, 0.5]},
            "hold_start + hold_end = 1: together they must be 0 to 0.9",
        ),
        (
            "nowhere.at_all:dolly",
            {},
            "motion: nowhere.at_all:dolly cannot be imported: No module named 'nowhere'",
        ),
        ("transforms.motions.composition:nothing", {}, "cannot be imported"),
        ("transforms.motions.composition:make_plan", {}, "is a function, not a motion; decorate"),
        (":dolly", {}, "cannot be imported"),
        (".relative:dolly", {}, "cannot be imported"),
    ],
)
def test_mistakes_are_told_in_one_line(name, parameters, words):
    with pytest.raises(ValueError, match=r".") as error:
        make_plan(name, parameters)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("seed", [-1, 1.5, None, "7"])
def test_a_seed_is_an_integer_of_at_least_zero(seed):
    with pytest.raises(ValueError, match=r"seed = .*at least 0"):
        clip_rng(seed)


def test_find_motion_by_import_path():
    assert find_motion("transforms.motions.builtin:zoom_in") is find_motion("zoom_in")
