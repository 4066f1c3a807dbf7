"""How progress runs between the ends of a motion.

Every easing maps [0, 1] to [0, 1], keeps both ends and never goes back. All are polynomials, so that the same
input gives the same bits on any machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np


def linear(p_T: np.ndarray) -> np.ndarray:
    """p: the same pace throughout."""
    return p_T


def ease_in(p_T: np.ndarray) -> np.ndarray:
    """p²: sets off gently, arrives at twice the mean pace."""
    return p_T * p_T


def ease_out(p_T: np.ndarray) -> np.ndarray:
    """p(2 - p): sets off at twice the mean pace, comes to rest gently."""
    return p_T * (2.0 - p_T)


def ease_in_out(p_T: np.ndarray) -> np.ndarray:
    """p²(3 - 2p), Hermite's smoothstep: gentle at both ends, 1.5 times the mean pace in the middle."""
    return p_T * p_T * (3.0 - 2.0 * p_T)


EASINGS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = MappingProxyType(
    {"linear": linear, "ease_in": ease_in, "ease_out": ease_out, "ease_in_out": ease_in_out}
)


@lru_cache(maxsize=256)  # most clips of a job share their timing
def progress(
    frames: int,
    *,
    easing: str = "linear",
    speed: float = 1.0,
    hold_start: float = 0.0,
    hold_end: float = 0.0,
    endless: bool = False,
    start: float = 0.0,
    end: float = 1.0,
) -> np.ndarray:
    """Return how far a motion has come at each frame: float64 [T], 0 at the start, 1 when it is complete.

    Frame i is at u = i / (frames - 1) of the clip. The camera rests for the first `hold_start` and the last
    `hold_end` of the clip (fractions, together below 1). In between, p goes from 0 to 1, and progress is
    easing(min(1, speed·p)): at speed 1 the motion takes exactly that time, at 2 it is complete half-way and
    rests, at 0.5 it ends half done. An `endless` motion (a shake) has no completion: its progress is
    speed·easing(p).

    A step of a sequence has the time from `start` to `end` of the clip for all this; before it progress is 0,
    after it that of its last moment. The array is shared: it cannot be written.
    """
    u_T = np.arange(frames) / max(frames - 1, 1)
    if (start, end) != (0.0, 1.0):
        u_T = np.clip((u_T - start) / (end - start), 0.0, 1.0)
    p_T = np.clip((u_T - hold_start) / (1.0 - hold_start - hold_end), 0.0, 1.0)
    t_T = speed * EASINGS[easing](p_T) if endless else EASINGS[easing](np.minimum(speed * p_T, 1.0))
    t_T.flags.writeable = False
    return t_T
