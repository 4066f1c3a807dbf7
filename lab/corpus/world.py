"""Videos of scenes: a renderer of its own, that shares no code with the camera motions under test.

The world is larger than the view. The background is further away than the objects, so it moves less
(parallax). Objects move on their own, the exposure drifts, and the sensor adds noise. A pixel of a frame is
the mean of four.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lab.corpus.backgrounds import Background, Painter
from lab.corpus.objects import SPRITE, Sprite
from lab.corpus.scenes import Scene
from schemas.keys import derive_seed

FRAMES, FPS = 24, 8
VIEWS = 2.4  # width of the world in views
FAR = 0.6  # share of the camera's motion that the background shows
SUPERSAMPLED = 2  # rendered pixels per pixel, along an axis
NOISE = 3.0  # standard deviation of the sensor's noise, grey levels
PANS = {"pan_left": (-1, 0), "pan_right": (1, 0), "pan_up": (0, -1), "pan_down": (0, 1)}
ZOOMS = {"zoom_in": 1, "zoom_out": -1}
TURNS = {"rotate_cw": 1, "rotate_ccw": -1}
MOTIONS = (*PANS, *ZOOMS, *TURNS)


@dataclass(frozen=True, eq=False)
class CameraPath:
    """Where the camera is in each frame."""

    x_T: np.ndarray  # of the view's centre, view widths, to the right
    y_T: np.ndarray  # downwards
    zoom_T: np.ndarray  # magnification
    turn_T: np.ndarray  # radians that the camera has turned clockwise


def camera_path(motions: Sequence[str], seed: int) -> CameraPath:
    """Draw a path: the motions one after the other, each in an equal part of the frames."""
    rng = np.random.default_rng(derive_seed(seed, "camera"))
    time_T = np.arange(FRAMES) / (FRAMES - 1) * len(motions)
    x_T, y_T, log_zoom_T, turn_T = (np.zeros(FRAMES) for _ in range(4))
    for number, motion in enumerate(motions):
        t_T = (time_T - number).clip(0, 1)
        if rng.random() < 0.5:
            t_T = t_T * t_T * (3 - 2 * t_T)
        start = rng.uniform(0.3, 0.7)  # the scene is near the middle in between
        if motion in PANS:
            along_T = rng.uniform(0.4, 0.8) * (t_T - start)
            x_T += PANS[motion][0] * along_T
            y_T += PANS[motion][1] * along_T
        elif motion in ZOOMS:
            amount = math.log(rng.uniform(1.6, 2.6))
            log_zoom_T += ZOOMS[motion] * amount * (t_T - 0.4)
        elif motion in TURNS:
            turn_T += TURNS[motion] * math.radians(rng.uniform(30, 60)) * (t_T - start)
        else:
            raise ValueError(f"motion = {motion!r} must be one of {', '.join(MOTIONS)}")
    return CameraPath(x_T, y_T, np.exp(log_zoom_T), turn_T)


def render(
    scene: Scene,
    motions: Sequence[str],
    sprites: Sequence[Sprite],
    grounds: Sequence[Background],
    painter: Painter,
    *,
    side: int,
    seed: int,
) -> np.ndarray:
    """Return the frames of one video, uint8 RGB [24,side,side,3].

    `motions` are those of the camera, one after the other; none means a camera at rest.
    """
    rng = np.random.default_rng(derive_seed(seed, "world"))
    path = camera_path(motions, seed)
    world = painter.paint(grounds[scene.background], round(VIEWS * side), scene.seed, VIEWS)
    drifts = [rng.uniform(-0.12, 0.12, 2) for _ in scene.things]
    swings = [(rng.uniform(0.0, 0.02), rng.uniform(0, 2 * math.pi)) for _ in scene.things]
    exposure_T = 1.0 + rng.uniform(-0.15, 0.15) * np.linspace(-0.5, 1.0, FRAMES)
    frames = np.empty((FRAMES, side, side, 3), np.uint8)
    for t in range(FRAMES):
        image = _layer(
            world, _placed(VIEWS / world.shape[1], 0.0, 0.0), path, t, FAR, side, cv2.BORDER_REFLECT
        )
        share = t / (FRAMES - 1) - 0.5
        for placed, drift, (swing, phase) in zip(scene.things, drifts, swings, strict=True):
            x = placed.x - 0.5 + drift[0] * share
            y = placed.y - 0.5 + drift[1] * share + swing * math.sin(phase + 9.0 * share)
            sprite = _premultiplied(sprites[placed.thing].image_HW4)
            over = _layer(
                sprite, _placed(placed.size / SPRITE, x, y), path, t, 1.0, side, cv2.BORDER_CONSTANT
            )
            image = over[..., :3] + image * (1.0 - over[..., 3:] / 255.0)
        noisy = image * exposure_T[t] + rng.normal(0.0, NOISE, image.shape)
        frames[t] = noisy.round().clip(0, 255).astype(np.uint8)
    return frames


def _placed(scale: float, x: float, y: float) -> np.ndarray:
    """Return the 3x3 matrix from a layer's pixels, centred, to the world. The layer's middle comes to (x, y).

    The world's unit is the width of the view, and its origin is the middle.
    """
    return np.array([[scale, 0.0, x], [0.0, scale, y], [0.0, 0.0, 1.0]])


def _layer(
    image: np.ndarray, to_world: np.ndarray, path: CameraPath, t: int, share: float, side: int, border: int
) -> np.ndarray:
    """Return a layer as the camera sees it in frame t, float32 [side,side,C].

    `share` is how much of the camera's motion this layer shows.
    """
    height, width = image.shape[:2]
    centred = np.array([[1.0, 0.0, 0.5 - width / 2], [0.0, 1.0, 0.5 - height / 2], [0.0, 0.0, 1.0]])
    zoom, turn = path.zoom_T[t] ** share, path.turn_T[t]
    cos, sin = zoom * math.cos(turn), zoom * math.sin(turn)
    look = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])  # the content turns the other way
    move = np.array([[1.0, 0.0, -share * path.x_T[t]], [0.0, 1.0, -share * path.y_T[t]], [0.0, 0.0, 1.0]])
    fine = side * SUPERSAMPLED
    screen = np.array([[fine, 0.0, fine / 2 - 0.5], [0.0, fine, fine / 2 - 0.5], [0.0, 0.0, 1.0]])
    matrix = (screen @ look @ move @ to_world @ centred)[:2]
    seen = cv2.warpAffine(image, matrix, (fine, fine), flags=cv2.INTER_LINEAR, borderMode=border)
    return cv2.resize(seen, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)


def _premultiplied(image_HW4: np.ndarray) -> np.ndarray:
    image = image_HW4.astype(np.float32)
    image[..., :3] *= image[..., 3:] / 255.0
    return image
