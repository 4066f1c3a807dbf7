import pytest

from transforms.motions.lookup import built_in_motions
from transforms.motions.mix import draw
from transforms.motions.phrases import motion_meaning, motion_phrase


@pytest.mark.parametrize("name", sorted(built_in_motions()))
def test_every_built_in_motion_has_words(name: str) -> None:
    phrases = set()
    for seed in range(40):
        trajectory = draw([name], seed=seed, image_size=(400, 600))
        phrase = motion_phrase(name, trajectory.parameters, seed)
        assert phrase is not None
        assert phrase.startswith(("as the camera ", "while the camera "))
        assert "&" not in phrase
        assert "_" not in phrase
        phrases.add(phrase)
    assert len(phrases) > 2


@pytest.mark.parametrize(
    ("motion", "parameters", "words"),
    [
        ("zoom_in", {"zoom": 1.2}, ["slowly"]),
        ("zoom_in", {"zoom": 1.5, "speed": 3.0}, ["quickly"]),
        ("zoom_in", {"zoom": 3.0}, ["quickly"]),
        ("pan_up_left", {"distance": 0.3}, ["up and to the left"]),
        ("ken_burns", {"zoom": 1.3, "direction": 178.0, "distance": 0.2}, ["left", "slowly"]),
        ("ken_burns", {"zoom": 0.8, "direction": -90.0, "distance": 0.3}, ["up"]),
        ("rotate_cw+zoom_in", {"rotate_cw.degrees": 5.0, "zoom_in.zoom": 1.5}, ["slowly", "clockwise and"]),
        (
            "pan_left+pan_left",
            {"pan_left.distance": 0.1, "pan_left_2.distance": 0.9},
            ["slowly", "quickly", "left"],
        ),
        ("static+crop_jitter", {"crop_jitter.amplitude": 0.02}, ["camera"]),
        ("zoom_in>pan_left", {"zoom_in.zoom": 1.2, "pan_left.distance": 0.9}, ["slowly", ", then quickly"]),
        ("zoom_in|pan_left", {"zoom_in.zoom": 1.2, "pan_left.distance": 0.3}, [", then after a cut "]),
        ("static>held+pan_left", {"held.zoom": 1.2, "pan_left.distance": 0.3}, [", then ", "left"]),
        ("pan_left>rotate_cw+zoom_in|held", {}, ["clockwise and ", ", then after a cut "]),
    ],
)
def test_the_words_fit_the_motion(motion: str, parameters: dict, words: list[str]) -> None:
    for seed in range(20):
        phrase = motion_phrase(motion, parameters, seed)
        assert phrase is not None
        assert all(word in phrase for word in words), phrase


def test_a_static_part_says_nothing_beside_others() -> None:
    alone = {motion_phrase("crop_jitter", {"amplitude": 0.02}, seed) for seed in range(20)}
    assert {
        motion_phrase("static+crop_jitter", {"crop_jitter.amplitude": 0.02}, seed) for seed in range(20)
    } == alone


def test_an_unknown_motion_has_no_phrase() -> None:
    assert motion_phrase("mymodule:spin", {"degrees": 3.0}, 0) is None
    assert motion_phrase("zoom_in+mymodule:spin", {"zoom_in.zoom": 1.2}, 0) is None
    assert motion_phrase("pan_sideways", {}, 0) is None


def test_the_same_seed_gives_the_same_words() -> None:
    assert motion_phrase("zoom_in", {"zoom": 1.5}, 11) == motion_phrase("zoom_in", {"zoom": 1.5}, 11)
    assert len({motion_phrase("zoom_in", {"zoom": 1.5}, seed) for seed in range(30)}) == 6


def test_meanings_leave_out_wording_and_amount_and_keep_the_direction() -> None:
    assert motion_meaning("zoom_in", {"zoom": 1.1}) == motion_meaning("zoom_in", {"zoom": 3.0}) is not None
    assert motion_meaning("pan_left", {}) != motion_meaning("pan_right", {})
    ways = {motion_meaning("tilt", {"direction": angle}) for angle in (0.0, 90.0, 180.0, 270.0)}
    assert len(ways) == 4
    into, out = ({"zoom": zoom, "direction": 0.0} for zoom in (1.3, 0.8))
    assert motion_meaning("ken_burns", into) != motion_meaning("ken_burns", out)
    assert motion_meaning("static+zoom_in", {}) == motion_meaning("zoom_in", {})
    assert motion_meaning("rotate_cw+zoom_in", {}) == motion_meaning("zoom_in+rotate_cw", {})
    assert motion_meaning("mymodule:spin", {}) is None


def test_a_sequence_says_its_steps_in_order() -> None:
    phrases = {motion_phrase("zoom_in>pan_left", {}, seed) for seed in range(200)}
    assert "as the camera zooms in, then pans left" in phrases
    assert "as the camera zooms in, then after a cut pans left" in {
        motion_phrase("zoom_in|pan_left", {}, seed) for seed in range(200)
    }
    assert motion_phrase("zoom_in>mymodule:spin", {}, 0) is None


def test_order_and_cuts_have_meaning() -> None:
    names = ("zoom_in>pan_left", "pan_left>zoom_in", "zoom_in|pan_left", "zoom_in+pan_left", "zoom_in")
    assert len({motion_meaning(name, {}) for name in names}) == len(names)
    assert motion_meaning("held", {"zoom": 1.3}) == motion_meaning("static", {})


@pytest.mark.parametrize("name", ["", "+", "zoom_in>", "|||"])
def test_text_that_is_no_motion_has_no_phrase(name: str) -> None:
    assert motion_phrase(name, {}, 0) is None
    assert motion_meaning(name, {}) is None
