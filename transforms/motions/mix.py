"""The `motions` field of a config: which motions, how often, with which parameters."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any, ClassVar, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    ValidationError,
    field_validator,
    model_validator,
)

from schemas.errors import ConfigError
from schemas.text import one_line
from transforms.motions.composition import Plan, check_shape, clip_rng, make_plan
from transforms.motions.trajectory import Trajectory

EITHER = ["linear", "ease_in_out"]
DEFAULT: tuple[Any, ...] = (
    {"name": "static", "weight": 0.5},
    {"name": "zoom_in", "weight": 2.0, "easing": EITHER},
    {"name": "zoom_out", "weight": 2.0, "easing": EITHER},
    *({"name": f"pan_{way}", "weight": 1.0, "easing": EITHER} for way in ("left", "right", "up", "down")),
    *(
        {"name": f"pan_{way}", "weight": 0.5, "easing": EITHER}
        for way in ("up_left", "up_right", "down_left", "down_right")
    ),
    {"name": "rotate_cw", "weight": 0.5, "easing": EITHER},
    {"name": "rotate_ccw", "weight": 0.5, "easing": EITHER},
    {"name": "crop_jitter", "weight": 1.0},
    {"name": "ken_burns", "weight": 1.5, "easing": EITHER},
    {"name": "ken_burns", "weight": 1.0, "zoom": [0.65, 0.87], "easing": EITHER},
    {"name": "tilt", "weight": 1.0, "easing": EITHER},
    {"name": "zoom_in+crop_jitter", "weight": 1.0},
    {"name": "zoom_out+crop_jitter", "weight": 0.5},
    {"name": "pan_left+crop_jitter", "weight": 0.5},
    {"name": "pan_right+crop_jitter", "weight": 0.5},
    {"name": "rotate_cw+zoom_in", "weight": 0.5, "easing": EITHER},
    {"name": "rotate_ccw+zoom_out", "weight": 0.5, "easing": EITHER},
)


class MotionChoice(BaseModel):
    """One entry of a mix.

    Every further field is a parameter of the motion: a value, or [low, high] to draw from.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Any]

    name: str = Field(description="a motion, several joined by + > or |, or package.module:name for your own")
    weight: float = Field(default=1.0, description="how often, relative to the others; at least 0")

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if not isinstance(value, Mapping | MotionChoice):
            raise ConfigError(
                f"{value!r} is no motion: give its name, or {{name: zoom_in, weight: 2, zoom: [1.2, 1.6]}}"
            )
        return value

    @field_validator("weight", mode="before")
    @classmethod
    def _weigh(cls, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value < math.inf:
            raise ConfigError(f"{value!r} is out of range: it must be a number of at least 0")
        return float(value)

    @model_validator(mode="after")
    def _check(self) -> Self:
        plan = self.plan()
        if ":" in self.name:  # untested code: a mistake in it should stop the job before it starts
            try:
                plan.draw(clip_rng(0), image_size=(480, 640), frames=12, size=(224, 224), fps=12.0)
            except Exception as error:
                reason = one_line(error)
                raise ConfigError(
                    f"motion {self.name} fails on a trial: {type(error).__name__}: {reason}"
                ) from error
        return self

    def plan(self) -> Plan:
        """Return the checked motion. Raises ConfigError."""
        return make_plan(self.name, self.__pydantic_extra__)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON/YAML values that make the same choice again."""
        return self.model_dump(mode="json")

    def __str__(self) -> str:
        further = {k: v for k, v in self.to_dict().items() if k != "name" and (k, v) != ("weight", 1.0)}
        return (
            f"{self.name} {yaml.safe_dump(further, default_flow_style=True, sort_keys=False).strip()}"
            if further
            else self.name
        )


class MotionMix(RootModel[tuple[MotionChoice, ...]]):
    """A weighted mix of motions: in YAML a list of names, or of {name, weight, PARAMETER: value or [low,
    high]}.

    Works as the type of a config field: ``motions: MotionMix = Field(default_factory=MotionMix.default)``.
    """

    model_config = ConfigDict(frozen=True)
    type_in_words: ClassVar[str] = (
        "list such as [zoom_in, pan_left], or of {name, weight, PARAMETER: value or [low, high]}"
    )

    @field_validator("root", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if isinstance(value, str | Mapping):
            return [value]
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{value!r} is no list of motions: write e.g. [zoom_in, pan_left]")
        return value

    @field_validator("root")
    @classmethod
    def _some(cls, value: tuple[MotionChoice, ...]) -> tuple[MotionChoice, ...]:
        if not sum(choice.weight for choice in value) > 0.0:
            raise ConfigError("a mix needs at least one motion with a weight above 0")
        return value

    @classmethod
    def make(cls, values: str | Sequence[Any]) -> Self:
        """Make a mix from a name, or a list of names and mappings. Raises ConfigError for the entry."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(_one_line(error)) from None

    @classmethod
    def default(cls) -> Self:
        """Return the default mix: moving and resting views, and the usual compositions."""
        return cls.make(DEFAULT)

    def to_dict(self) -> list[dict[str, Any]]:
        """Return plain JSON/YAML values, of which `make` makes an equal mix."""
        return [choice.to_dict() for choice in self.root]

    def probabilities(self) -> list[float]:
        """Return the probability of each choice, in order."""
        total = sum(choice.weight for choice in self.root)
        return [choice.weight / total for choice in self.root]

    def shares(self) -> dict[str, float]:
        """Return the probability of each motion, by the name that `draw` gives it; equal names add up."""
        shares: dict[str, float] = {}
        for plan, probability in zip(self._plans, self.probabilities(), strict=True):
            shares[plan.name] = shares.get(plan.name, 0.0) + probability
        return shares

    def choose(self, uniform: float) -> Plan:
        """Return the plan at a uniform number in [0, 1)."""
        return self._plans[min(bisect_right(self._bounds, uniform * self._bounds[-1]), self._last)]

    @cached_property
    def _plans(self) -> list[Plan]:
        return [choice.plan() for choice in self.root]

    @cached_property
    def _bounds(self) -> list[float]:
        return list(accumulate(choice.weight for choice in self.root))

    @cached_property
    def _last(self) -> int:
        return max(i for i, choice in enumerate(self.root) if choice.weight > 0.0)

    def __getstate__(self) -> dict[Any, Any]:
        # Plans hold functions. Each process makes them from their names.
        state = dict(super().__getstate__())
        state["__dict__"] = {k: v for k, v in state["__dict__"].items() if not k.startswith("_")}
        return state

    def __str__(self) -> str:
        return ", ".join(str(choice) for choice in self.root)


def draw(
    mix: MotionMix | str | Sequence[Any],
    *,
    seed: int,
    image_size: tuple[int, int],
    frames: int = 12,
    size: tuple[int, int] = (224, 224),
    fps: float = 12.0,
) -> Trajectory:
    """Choose a motion of the mix, draw its parameters and its place: all from `seed` (see
    schemas.keys.derive_seed).

    `image_size` and `size` are (H, W) in pixels, of the picture and of the frames. Raises ConfigError for
    what cannot be.
    """
    check_shape(image_size, frames, size, fps)
    mix = mix if isinstance(mix, MotionMix) else MotionMix.make(mix)
    rng = clip_rng(seed)
    plan = mix.choose(rng.random())
    return plan.draw(rng, image_size=image_size, frames=frames, size=size, fps=fps)


def _one_line(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(["motions", *(str(part) for part in first["loc"])])
    if first["type"] == "missing":
        return f"{where} is required: a motion's name"
    return f"{where}: {first['msg'].removeprefix('Value error, ')}"
