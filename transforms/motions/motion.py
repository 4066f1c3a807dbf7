"""Motions: functions from progress to camera, with named parameters.

    @motion("dolly", Parameter("distance", default=(0.1, 0.3), unit="view widths", help="how far it goes"))
    def dolly(t_T, distance):
        "The camera glides to the right while it comes closer."
        return Camera(x=distance * t_T, scale=1.0 - 0.3 * t_T)

No registry has to be kept in step between processes. A motion is found by its name in
`transforms/motions/builtin`, or by import path (``mypackage.mymotions:dolly``) anywhere.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from schemas.errors import ConfigError
from transforms.motions.camera import Camera
from transforms.motions.easing import EASINGS, is_bezier

NAME = re.compile(r"[a-z][a-z0-9_]*")
RESERVED = frozenset(
    {"name", "weight", "seed", "image_size", "frames", "size", "fps", "parameters", "rng", "seconds"}
)

SHOWN_CHOICES = 4  # in a table

Spec = tuple[Any, ...]  # what a parameter is drawn from: low and high, or names


@dataclass(frozen=True)
class Parameter:
    """A named number of a motion (or, with `choices`, a name), drawn for each clip."""

    name: str
    # A value, or [low, high] (with choices: several names) to draw from.
    default: float | str | Sequence[Any]
    low: float = 0.0  # smallest allowed
    high: float = 1.0  # largest allowed
    unit: str = ""
    help: str = ""
    log: bool = False  # draw evenly in the logarithm: for ratios such as a zoom
    choices: tuple[str, ...] = ()
    also: str = ""  # in words, what `accepts` takes besides the choices
    accepts: Callable[[str], bool] | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or "__" in self.name or self.name in RESERVED:
            raise ValueError(
                f"parameter name {self.name!r}: use a-z, 0-9 and single '_', "
                f"and none of {', '.join(sorted(RESERVED))}"
            )
        if self.log and self.low <= 0.0:
            raise ValueError(f"parameter {self.name}: log=True needs low > 0, got {self.low:g}")
        self.spec(self.default, self.name)

    @property
    def allowed(self) -> str:
        """The allowed values in words, with the unit."""
        if self.choices:
            return ", ".join(filter(None, (*self.choices, self.also)))
        return f"{self.low:g} to {self.high:g} {self.unit}".rstrip()

    @property
    def default_in_words(self) -> str:
        """The default for a table: "1.2 to 1.7"."""
        if isinstance(self.default, int | float | str):
            items = [self.default]
        else:
            items = list(self.default)
        return " to ".join(item if isinstance(item, str) else f"{item:g}" for item in items)

    @property
    def example(self) -> str:
        """A value as a config writes it; empty where the default is one value."""
        if isinstance(self.default, int | float | str):
            return ""
        return f"[{self.default_in_words.replace(' to ', ', ')}]"

    @property
    def limits(self) -> dict[str, Any]:
        """The allowed values, as plain JSON values."""
        if self.choices:
            return {"choices": list(self.choices)}
        return {"low": self.low, "high": self.high, "log": self.log}

    @property
    def brief(self) -> str:
        """The allowed values for a table: `allowed`, or the first choices of many."""
        if len(self.choices) <= SHOWN_CHOICES:
            return self.allowed
        return f"{', '.join(self.choices[:SHOWN_CHOICES])}, ... (docs/motions.md)"

    def spec(self, value: Any, where: str) -> Spec:
        """Interpret a user's value: one, or a list to draw from.

        Raises ConfigError with `where`, the value and what is allowed.
        """
        if isinstance(value, list | tuple):
            items = list(value)
        else:
            items = [value]
        if self.choices:
            if not items or not all(self._is_choice(item) for item in items):
                raise ConfigError(
                    f"{where} = {value!r}: it must be one of {self.allowed}, or a list of these to draw from"
                )
            return tuple(items)
        numbers = [float(item) for item in items if isinstance(item, Real) and not isinstance(item, bool)]
        if len(numbers) != len(items) or len(items) not in (1, 2) or not all(map(math.isfinite, numbers)):
            raise ConfigError(f"{where} = {value!r}: give one number or [low, high], each {self.allowed}")
        low, high = numbers[0], numbers[-1]
        if low < self.low or high > self.high or low > self.high or high < self.low:
            raise ConfigError(f"{where} = {value!r} is out of range: it must be {self.allowed}")
        if low > high:
            raise ConfigError(f"{where} = {value!r}: the first number of a range must not exceed the second")
        return low, high

    def _is_choice(self, item: Any) -> bool:
        if item in self.choices:
            return True
        return self.accepts is not None and isinstance(item, str) and self.accepts(item)

    def value(self, spec: Spec, uniform: float) -> Any:
        """Return the value at a uniform number in [0, 1).

        Numbers have six digits, so that KEY.json stays short.
        """
        if self.choices:
            return spec[int(uniform * len(spec))]
        low, high = float(spec[0]), float(spec[1])
        if low == high:
            return low
        if self.log:
            drawn = low * (high / low) ** uniform
        else:
            drawn = low + (high - low) * uniform
        return min(max(float(f"{drawn:.6g}"), low), high)


TIMING = (
    Parameter(
        "easing",
        "linear",
        choices=tuple(EASINGS),
        also="bezier(x1,y1,x2,y2) with numbers from 0 to 1",
        accepts=is_bezier,
        help="how the pace runs from start to end",
    ),
    Parameter(
        "speed",
        1.0,
        low=0.1,
        high=10.0,
        unit="x",
        help="2 = complete half-way, then rest; 0.5 = half of it",
        log=True,
    ),
    Parameter("hold_start", 0.0, low=0.0, high=0.9, unit="of the clip", help="rest before it moves"),
    Parameter("hold_end", 0.0, low=0.0, high=0.9, unit="of the clip", help="rest after it moved"),
)
MAX_HOLD = 0.9  # of the clip, for hold_start and hold_end together: the motion needs time too


@dataclass(frozen=True)
class Motion:
    """A motion as `motion` makes it.

    `parameters` holds its own, then (unless it is still) those of TIMING.
    """

    name: str
    help: str  # one line: what the camera does
    parameters: tuple[Parameter, ...]
    function: Callable[..., Camera]  # (t_T, **own parameters, and `rng` or `seconds` if it takes them)
    extras: frozenset[str] = frozenset()  # those of rng and seconds that the function takes
    endless: bool = False  # never completes, like a shake: `speed` makes it faster instead of complete sooner
    still: bool = False  # does not move, and has no timing

    @property
    def own(self) -> tuple[Parameter, ...]:
        """The parameters that its function takes."""
        if self.still:
            return self.parameters
        return self.parameters[: -len(TIMING)]


def motion(
    name: str, *parameters: Parameter, endless: bool = False, still: bool = False
) -> Callable[[Callable[..., Camera]], Motion]:
    """Turn a function ``(t_T, **parameters) -> Camera`` into a `Motion`. Use it as a decorator.

    `t_T` is float64 [T], how far the motion has come at each frame: 0 to 1, with easing, speed and holds
    applied (see `transforms.motions.easing.progress`). The function may also take `rng` (a numpy Generator of
    this clip, its only source of chance) and `seconds` (from first to last frame). The first line of its
    docstring is its help. Raises ValueError if names do not match.
    """

    def decorate(function: Callable[..., Camera]) -> Motion:
        if not NAME.fullmatch(name) or "__" in name:
            raise ValueError(f"motion name {name!r}: use a-z, 0-9 and single '_', starting with a letter")
        taken = list(inspect.signature(function).parameters)
        if not taken:
            raise ValueError(f"motion {name}: its function must take t_T, the progress at each frame, first")
        wanted = taken[1:]
        own = [parameter.name for parameter in parameters]
        extras = frozenset(wanted) & {"rng", "seconds"}
        if sorted(set(wanted) - extras) != sorted(own) or set(own) & {p.name for p in TIMING}:
            raise ValueError(
                f"motion {name}: the function takes {wanted} after t_T, "
                f"but its parameters are {own}; they must agree"
            )
        lines = (inspect.getdoc(function) or "").splitlines()
        if not lines:
            raise ValueError(f"motion {name}: give its function a docstring that says what the camera does")
        timed = parameters
        if not still:
            timed = (*parameters, *TIMING)
        return Motion(name, lines[0], timed, function, extras, endless, still)

    return decorate
