import numpy as np
import pytest

from transforms.motions.composition import clip_rng, make_plan
from transforms.motions.lookup import find_motion
from transforms.motions.trajectory import curves


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
        ("qqq", {}, "known: static, held, zoom_in"),
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
    assert find_motion("transforms.motions.builtin.moves:zoom_in") is find_motion("zoom_in")


SHAPE = {"image_size": (600, 600), "size": (100, 100), "fps": 12.0}


def quads_of(name, parameters, frames, seed=3):
    return make_plan(name, parameters).draw(clip_rng(seed), frames=frames, **SHAPE).quads_T42


def test_a_sequence_ends_one_motion_before_the_next_begins():
    found = curves(quads_of("zoom_in>pan_left", {"zoom": 2.0, "distance": 0.5}, 9), (600, 600), 12.0)
    zoom, x = found["zoom"] / found["zoom"][0], found["x"] * found["zoom"]
    np.testing.assert_allclose(zoom[:5], 2.0 ** np.linspace(0, 1, 5), rtol=1e-5)
    np.testing.assert_allclose(zoom[4:], 2.0, rtol=1e-5)
    np.testing.assert_allclose(x[4:] - x[4], -0.5 * np.linspace(0, 1, 5), atol=1e-5)


def test_a_sequence_has_no_jump():
    """Between frames nothing moves further than in a clip of twice the pace."""
    for name in ("zoom_in>zoom_out", "pan_left>rotate_cw>tilt_up", "ken_burns>static>pan_up"):
        fine = quads_of(name, {}, 241)
        assert np.abs(np.diff(fine, axis=0)).max() < 0.03


def test_steps_keep_their_timing():
    plain = quads_of("pan_left", {"easing": "ease_in", "hold_start": 0.25}, 9)
    step = quads_of("static>pan_left", {"easing": "ease_in", "hold_start": 0.25}, 17)
    moved = curves(plain, (600, 600), 12.0)["x"]
    later = curves(step, (600, 600), 12.0)["x"]
    assert np.ptp(later[:9]) == 0.0
    np.testing.assert_allclose(later[8:] - later[8], moved - moved[0], atol=1e-6)


def test_a_cut_shows_two_shots_that_are_placed_apart():
    name, parameters = "zoom_in|pan_left", {"zoom": 2.0, "distance": 0.5}
    first_T42, second_T42 = np.split(quads_of(name, parameters, 12), 2)
    zoomed, panned = curves(first_T42, (600, 600), 12.0), curves(second_T42, (600, 600), 12.0)
    np.testing.assert_allclose(zoomed["zoom"][-1] / zoomed["zoom"][0], 2.0, rtol=1e-5)
    np.testing.assert_allclose(panned["zoom"], 1.5, rtol=1e-5)
    np.testing.assert_array_equal(first_T42, quads_of("zoom_in", {"zoom": 2.0}, 6))
    places = {tuple(quads_of("held|held", {}, 2, seed)[:, 0].ravel().tolist()) for seed in range(20)}
    assert all((a, b) != (c, d) for a, b, c, d in places)


def test_the_first_motion_is_drawn_as_it_is_alone():
    alone = draw("zoom_in", {}).parameters
    for name in ("zoom_in+pan_left", "zoom_in>pan_left", "zoom_in|pan_left"):
        drawn = draw(name, {}).parameters
        assert {key: drawn[f"zoom_in.{key}"] for key in alone} == alone


def test_combinations_give_the_same_bytes_for_the_same_seed():
    for name in ("zoom_in>pan_left", "zoom_in|pan_left", "crop_jitter>held|rotate_cw+zoom_in"):
        one, same, other = (draw(name, {}, seed).quads_T42.tobytes() for seed in (1, 1, 2))
        assert one == same != other


def test_one_frame_of_two_shots_is_the_first_shot():
    assert quads_of("zoom_in|pan_left", {}, 1).shape == (1, 4, 2)


def test_resting_steps_are_identities():
    """A static step moves nothing, and static shots of the whole picture are the picture."""
    static = quads_of("static", {}, 12)
    for name in ("static>static", "static|static", "static+static>static"):
        np.testing.assert_array_equal(quads_of(name, {}, 12), static)
