"""The two renderers share no code, but must agree on what a motion's name means."""

import cv2
import numpy as np
import pytest

from lab.arms import MOTIONS as MIX
from lab.corpus.backgrounds import Background, Painter
from lab.corpus.objects import Sprite
from lab.corpus.scenes import Placed, Scene
from lab.corpus.world import FRAMES, MOTIONS, camera_path, render
from zoetrope import render_batch, sample_motion

WHITE = [Background("white paper", "pattern")]
SIDE = 96


def bar() -> Sprite:
    """A dark bar that points up and to the right a little, wider at its upper end."""
    image = np.zeros((64, 64, 4), np.uint8)
    cv2.fillPoly(image, [np.array([[26, 60], [34, 60], [50, 6], [30, 4]], np.int32)], (10, 10, 10, 255))
    return Sprite("bar", image)


def scene() -> Scene:
    return Scene((Placed(0, 0.5, 0.5, 0.5),), 0, 4)


def shape(frame_HWC: np.ndarray) -> tuple[float, float, float, float]:
    """Centre x and y in pixels, area in pixels, and the direction of the long axis in radians, of what is dark."""
    dark = (frame_HWC.mean(axis=2) < 70).astype(np.uint8)
    m = cv2.moments(dark, binaryImage=True)
    angle = 0.5 * np.arctan2(2 * m["mu11"], m["mu20"] - m["mu02"]) % np.pi
    return m["m10"] / m["m00"], m["m01"] / m["m00"], m["m00"], angle


def change(frames_THWC: np.ndarray) -> dict[str, float]:
    before, after = shape(frames_THWC[0]), shape(frames_THWC[-1])
    turned = (after[3] - before[3] + np.pi / 2) % np.pi - np.pi / 2
    return {
        "x": after[0] - before[0],
        "y": after[1] - before[1],
        "size": np.log(after[2] / before[2]),
        "turn": turned,
    }


@pytest.mark.parametrize("motion", MOTIONS)
def test_both_renderers_move_the_picture_the_same_way(motion: str) -> None:
    ours = change(render(scene(), (motion,), [bar()], WHITE, Painter(), side=SIDE, seed=5))
    still = render(scene(), (), [bar()], WHITE, Painter(), side=2 * SIDE, seed=5)[0]
    settings = next(dict(entry) for entry in MIX if entry["name"] == motion)
    settings.pop("name")
    quads = sample_motion(motion, seed=1, image_size=still.shape[:2], frames=12, **settings)
    theirs = change(np.asarray(render_batch([still], [quads], size=(SIDE, SIDE)))[0])
    telling = {"pan_left": "x", "pan_right": "x", "pan_up": "y", "pan_down": "y"}
    what = telling.get(motion, "size" if motion.startswith("zoom") else "turn")
    assert abs(theirs[what]) > 0.1
    assert np.sign(ours[what]) == np.sign(theirs[what])


def test_motions_in_a_row_take_turns() -> None:
    path = camera_path(("zoom_in", "pan_left"), seed=2)
    half = FRAMES // 2
    assert np.all(np.diff(path.zoom_T[:half]) > 0)
    assert np.all(np.diff(path.zoom_T[half:]) == 0)
    assert np.all(np.diff(path.x_T[:half]) == 0)
    assert np.all(np.diff(path.x_T[half + 1 :]) < 0)


def test_the_background_moves_less_than_the_object() -> None:
    """Parallax: dots of the ground shift by 0.6 of what the object shifts."""
    path = camera_path(("pan_right",), seed=3)
    frames = render(
        scene(), ("pan_right",), [bar()], [Background("white dots", "pattern")], Painter(), side=SIDE, seed=3
    )
    moved = SIDE * (path.x_T[1] - path.x_T[0])
    strip = frames[:2, :20].mean(axis=3).astype(np.float32)  # without the object
    (shift, _), _ = cv2.phaseCorrelate(strip[0], strip[1])
    assert shift == pytest.approx(-0.6 * moved, abs=0.4)


def test_a_video_is_a_function_of_its_seed() -> None:
    videos = [
        render(scene(), ("pan_up",), [bar()], WHITE, Painter(), side=48, seed=seed) for seed in (1, 1, 2)
    ]
    assert np.array_equal(videos[0], videos[1])
    assert not np.array_equal(videos[0], videos[2])


def test_an_unknown_motion_names_those_that_exist() -> None:
    with pytest.raises(ValueError, match="must be one of pan_left"):
        camera_path(("dolly",), seed=0)
