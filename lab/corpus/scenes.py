"""Scenes: what a picture or a video shows, its captions, and the split into training and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lab.corpus.backgrounds import Background
from lab.corpus.objects import Sprite
from schemas.errors import ConfigError
from schemas.keys import derive_seed

TEMPLATES = ("{} on {}", "a photo of {} on {}", "{} in front of {}", "there is {} on {}")
TWO_OBJECTS = 0.3  # share of training scenes with two objects
FARTHEST = 1.5  # views that a picture to pretrain on is wide, at most
OFF_CENTRE = 0.4  # share of the free room by which the photographer misses the middle
Pair = tuple[int, int]  # an object and a background, by their numbers


@dataclass(frozen=True)
class Placed:
    """An object in a scene, in fractions of the picture's side."""

    thing: int  # number of the sprite
    x: float  # of its centre
    y: float
    size: float  # of its side


@dataclass(frozen=True)
class Scene:
    """One or two objects on a background."""

    things: tuple[Placed, ...]
    background: int
    seed: int  # of the texture
    views: float = 1.0  # width of what it shows: a picture is taken from nearer or farther than a video


@dataclass(frozen=True)
class Split:
    """Pairs of object and background. No pair of a test occurs in training."""

    train: tuple[Pair, ...]
    content: tuple[Pair, ...]
    motion: tuple[Pair, ...]
    order: tuple[Pair, ...]


def split_pairs(things: int, backgrounds: int, *, content: int, motion: int, order: int, seed: int) -> Split:
    """Deal all pairs. Raises ConfigError if fewer than half of them would be left for training."""
    pairs = [(thing, ground) for thing in range(things) for ground in range(backgrounds)]
    tests = content + motion + order
    if 2 * tests > len(pairs):
        raise ConfigError(
            f"the tests need {tests} pairs, and only half of {len(pairs)} may be tests; raise corpus.objects"
        )
    shuffled = np.random.default_rng(derive_seed(seed, "split")).permutation(len(pairs))
    dealt = [pairs[i] for i in shuffled]
    return Split(
        content=tuple(dealt[:content]),
        motion=tuple(dealt[content : content + motion]),
        order=tuple(dealt[content + motion : tests]),
        train=tuple(dealt[tests:]),
    )


def training_scene(pairs: Sequence[Pair], seed: int) -> Scene:
    """Draw a scene of training pairs, sometimes with two objects."""
    rng = np.random.default_rng(derive_seed(seed, "scene"))
    thing, ground = pairs[int(rng.integers(len(pairs)))]
    if rng.random() >= TWO_OBJECTS:
        return one_object((thing, ground), seed)
    others = [other for other, its_ground in pairs if its_ground == ground and other != thing]
    if not others:
        return one_object((thing, ground), seed)
    second = others[int(rng.integers(len(others)))]
    if rng.random() < 0.5:
        left, right = thing, second
    else:
        left, right = second, thing
    sizes = rng.uniform(0.3, 0.42, 2)
    places = zip((left, right), (0.3, 0.7), sizes, strict=True)
    return Scene(
        tuple(Placed(t, x + rng.uniform(-0.05, 0.05), rng.uniform(0.4, 0.6), size) for t, x, size in places),
        ground,
        seed,
    )


def one_object(pair: Pair, seed: int) -> Scene:
    """Draw a scene of one object near the middle."""
    rng = np.random.default_rng(derive_seed(seed, "place"))
    x, y = rng.uniform(0.42, 0.58, 2)
    return Scene((Placed(pair[0], x, y, rng.uniform(0.4, 0.6)),), pair[1], seed)


def framed(scene: Scene, farthest: float) -> Scene:
    """Draw how far away the photographer is. The scene is then up to `farthest` views wide."""
    rng = np.random.default_rng(derive_seed(scene.seed, "framing"))
    views = rng.uniform(1.0, farthest)
    shift_2 = rng.uniform(-0.5, 0.5, 2) * (1.0 - 1.0 / views) * OFF_CENTRE
    things = tuple(
        Placed(
            placed.thing,
            0.5 + (placed.x - 0.5) / views + shift_2[0],
            0.5 + (placed.y - 0.5) / views + shift_2[1],
            placed.size / views,
        )
        for placed in scene.things
    )
    return Scene(things, scene.background, scene.seed, views)


def caption(scene: Scene, sprites: Sequence[Sprite], grounds: Sequence[Background]) -> str:
    """Say what the scene shows, in one of a few templates that the scene's seed chooses."""
    template = TEMPLATES[derive_seed(scene.seed, "template") % len(TEMPLATES)]
    things = " and ".join(with_article(sprites[placed.thing].name) for placed in scene.things)
    return template.format(things, grounds[scene.background].name)


def with_article(name: str) -> str:
    """Return "an apple", "a cat"."""
    if name[0] in "aeiou":
        return f"an {name}"
    return f"a {name}"


def blend(image_HWC: np.ndarray, sprite_HW4: np.ndarray, x: float, y: float, side: int) -> None:
    """Blend a sprite over an image in place, its centre at (x, y) and its side `side`, all in pixels."""
    sprite = cv2.resize(sprite_HW4, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    left, top = round(x - side / 2), round(y - side / 2)
    height, width = image_HWC.shape[:2]
    x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + side), min(height, top + side)
    if x0 >= x1 or y0 >= y1:
        return
    part = sprite[y0 - top : y1 - top, x0 - left : x1 - left]
    alpha = part[..., 3:] / 255.0
    under = image_HWC[y0:y1, x0:x1]
    image_HWC[y0:y1, x0:x1] = (alpha * part[..., :3] + (1.0 - alpha) * under).round().astype(np.uint8)
