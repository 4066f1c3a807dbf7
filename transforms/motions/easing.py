"""How progress runs between the ends of a motion.

Every easing maps [0, 1] to [0, 1], keeps both ends and never goes back. Names follow Penner's usual set, as
far as it does so; `bezier(x1,y1,x2,y2)` is CSS's cubic-bezier. All are polynomials, so that the same input
gives the same bits on any machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from types import MappingProxyType

import numpy as np

BEZIER = re.compile(r"bezier\(\s*([^,()]+),([^,()]+),([^,()]+),([^,()]+)\)")
HALVINGS = 53  # of an interval until float64 has no number between its ends

Easing = Callable[[np.ndarray], np.ndarray]


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


def _powers(power: int) -> tuple[Easing, Easing, Easing]:
    """Return ease-in, ease-out and ease-in-out of p to a whole power.

    The higher the power, the later the pace is reached.
    """

    def gentle_start(p_T: np.ndarray) -> np.ndarray:
        raised_T = p_T
        for _ in range(power - 1):
            raised_T = raised_T * p_T
        return raised_T

    def gentle_end(p_T: np.ndarray) -> np.ndarray:
        return 1.0 - gentle_start(1.0 - p_T)

    def gentle_ends(p_T: np.ndarray) -> np.ndarray:
        start_T, end_T = gentle_start(2.0 * p_T) / 2.0, 1.0 - gentle_start(2.0 - 2.0 * p_T) / 2.0
        return np.where(p_T < 0.5, start_T, end_T)

    return gentle_start, gentle_end, gentle_ends


_KINDS = ("ease_in", "ease_out", "ease_in_out")
EASINGS: Mapping[str, Easing] = MappingProxyType(
    {
        "linear": linear,
        "ease_in": ease_in,
        "ease_out": ease_out,
        "ease_in_out": ease_in_out,
        **{
            f"{kind}_{name}": function
            for name, power in (("cubic", 3), ("quart", 4), ("quint", 5))
            for kind, function in zip(_KINDS, _powers(power), strict=True)
        },
    }
)


def is_bezier(text: str) -> bool:
    """Is this a Bezier easing: bezier(x1,y1,x2,y2), with four numbers from 0 to 1?"""
    numbers = _bezier_numbers(text)
    return numbers is not None and all(0.0 <= number <= 1.0 for number in numbers)


def _bezier_numbers(text: str) -> list[float] | None:
    found = BEZIER.fullmatch(text.strip())
    if found is None:
        return None
    try:
        return [float(number) for number in found.groups()]
    except ValueError:
        return None


@cache
def easing_of(name: str) -> Easing:
    """Return the easing of a name or of bezier(x1,y1,x2,y2). Raises KeyError for anything else."""
    numbers = None
    if is_bezier(name):
        numbers = _bezier_numbers(name)
    if numbers is None:
        return EASINGS[name]
    x1, y1, x2, y2 = numbers

    def bezier(p_T: np.ndarray) -> np.ndarray:
        """The curve's y where its x is p; x never goes back, so bisection finds the place."""
        low_T, high_T = np.zeros_like(p_T), np.ones_like(p_T)
        for _ in range(HALVINGS):
            middle_T = (low_T + high_T) / 2.0
            is_before = _cubic(middle_T, x1, x2) < p_T
            low_T, high_T = np.where(is_before, middle_T, low_T), np.where(is_before, high_T, middle_T)
        return np.where(p_T <= 0.0, 0.0, np.where(p_T >= 1.0, 1.0, _cubic(high_T, y1, y2)))

    return bezier


def _cubic(s_T: np.ndarray, first: float, second: float) -> np.ndarray:
    """Return a coordinate of the curve from 0 to 1 with two control points, at s."""
    rest_T = 1.0 - s_T
    return 3.0 * rest_T * rest_T * s_T * first + 3.0 * rest_T * s_T * s_T * second + s_T * s_T * s_T


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
    easing(min(1, speed·p)). At speed 1 the motion takes exactly that time. At 2 it is complete half-way and
    rests, and at 0.5 it ends half done. An `endless` motion (a shake) has no completion: its progress is
    speed·easing(p).

    A step of a sequence has the time from `start` to `end` of the clip for all this. Before it progress is 0,
    and after it that of its last moment. The array is shared: it cannot be written.
    """
    u_T = np.arange(frames) / max(frames - 1, 1)
    if (start, end) != (0.0, 1.0):
        u_T = np.clip((u_T - start) / (end - start), 0.0, 1.0)
    p_T = np.clip((u_T - hold_start) / (1.0 - hold_start - hold_end), 0.0, 1.0)
    ease = easing_of(easing)
    if endless:
        t_T = speed * ease(p_T)
    else:
        t_T = ease(np.minimum(speed * p_T, 1.0))
    t_T.flags.writeable = False
    return t_T
