"""A rule: a score of one sample, and the range that it must be in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any, ClassVar

import cv2
import numpy as np

from schemas.config import Config

SIDE = 512  # of the picture that rules look at: its shorter side at most, pixels
SMALL = 256  # of the picture by which sharpness and the hash are measured
DIGITS = 6  # of a score


class When(IntEnum):
    """The facts that a rule needs, cheap ones first. Rules are called in this order."""

    CAPTION = 0  # before anything is fetched or read
    HEADER = 1  # of the encoded picture
    PIXELS = 2
    MODEL = 3  # a network in a worker process


@dataclass(frozen=True, eq=False)
class Look:
    """The facts about one sample that rules score. Those of a later stage are not there yet."""

    caption: str = ""  # normalised, as KEY.txt will hold it before a motion phrase
    size: tuple[int, int] = (0, 0)  # (height, width) of the upright picture, pixels
    image_HWC: np.ndarray | None = None  # uint8 RGB, shorter side `SIDE` or the picture's own if smaller

    @cached_property
    def grey(self) -> np.ndarray:
        """Luma uint8 [H,W] with a shorter side of at most `SIDE` pixels."""
        assert self.image_HWC is not None  # noqa: S101 - narrows the type
        return shrunk(cv2.cvtColor(self.image_HWC, cv2.COLOR_RGB2GRAY), SIDE)

    @cached_property
    def small(self) -> np.ndarray:
        """Luma uint8 [H,W] with a shorter side of at most `SMALL` pixels."""
        return shrunk(self.grey, SMALL)


class Rule(Config):
    """Base of every rule. Its fields are thresholds, `min` and `max`, and settings of the score."""

    name: ClassVar[str]
    when: ClassVar[When]
    type_in_words: ClassVar[str] = "{name: RULE, FIELD: value}"
    whole: ClassVar[bool] = False  # does it need the whole input? Then it has no score of one sample alone

    @property
    def label(self) -> str:
        """The name of its score."""
        return self.name

    def score(self, look: Look) -> float:
        """The score of one sample."""
        raise NotImplementedError

    def check(self) -> None:
        """Check the files and functions that the rule names. Raises ConfigError."""

    def loaded(self) -> Rule:
        """Return the rule ready for a worker: itself, or a copy that holds its loaded model."""
        return self

    def refusal(self, score: float) -> str | None:
        """Why a score is refused, in words; None for one that is in range."""
        low, high = getattr(self, "min", None), getattr(self, "max", None)
        if low is not None and not score >= low:
            return f"{score:g}, under min={low:g}"
        if high is not None and not score <= high:
            return f"{score:g}, over max={high:g}"
        return None

    def to_entry(self) -> dict[str, Any]:
        """Return plain values from which the same rule can be made."""
        return {"name": self.name, **self.to_dict()}

    def __str__(self) -> str:
        fields = [f"{name} {_short(value)}" for name, value in self.to_dict().items() if value is not None]
        if fields:
            return f"{self.name} ({', '.join(fields)})"
        return self.name


def rounded(score: float) -> float:
    """A score as it is stored and compared: `DIGITS` significant digits."""
    return float(f"{score:.{DIGITS}g}")


def needed_size(size: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) that a decoded picture needs at least, so that rules can look at it."""
    share = min(1.0, SIDE / max(1, min(size)))
    return (max(1, round(size[0] * share)), max(1, round(size[1] * share)))


def shrunk(image: np.ndarray, side: int) -> np.ndarray:
    """A picture [H,W] or [H,W,C] area-averaged to a shorter side of at most `side` pixels."""
    height, width = image.shape[:2]
    shorter = min(height, width)
    if shorter <= side:
        return image
    new = (max(1, round(width * side / shorter)), max(1, round(height * side / shorter)))
    return cv2.resize(image, new, interpolation=cv2.INTER_AREA)


def _short(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return "..."
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
