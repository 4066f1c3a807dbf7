"""The `motions` field of a config: which motions, how often, with which parameters."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from schemas.errors import ConfigError
from transforms.motions.choice import MotionChoice
from transforms.motions.composition import FPS, Plan, check_shape, clip_rng
from transforms.motions.trajectory import Trajectory
from transforms.subject.hold import first_that_holds
from transforms.subject.subject import Subject

SUBJECT_SHARE = 0.6  # what a square view in a photograph of 3:2 can nearly always hold, see docs/motions.md
FOCUS_FIELDS = frozenset({"mix", "focus", "subject_share"})
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


_CHOICES = TypeAdapter(tuple[MotionChoice, ...])


class MotionMix(BaseModel):
    """A weighted mix of motions.

    In YAML it is a list of names, or of {name, weight, PARAMETER: value or [low, high]}.

    To keep the subject in view, write a mapping: {focus: subject, mix: [zoom_in, pan_left]}. Works as the
    type of a config field: ``motions: MotionMix = Field(default_factory=MotionMix.default)``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    type_in_words: ClassVar[str] = (
        "list such as [zoom_in, pan_left], or of {name, weight, PARAMETER: value or [low, high]}; "
        "or {focus: subject, subject_share: 0.6, mix: such a list}"
    )

    mix: tuple[MotionChoice, ...]
    focus: Literal["any", "subject"] = Field(
        default="any",
        description="any: views anywhere in the picture; subject: every view holds `subject_share` of the "
        "subject as far as 32 draws find one",
    )
    subject_share: float = SUBJECT_SHARE  # of the subject, in every view

    @model_validator(mode="before")
    @classmethod
    def _written(cls, value: Any) -> Any:
        """Take a list, a name or one entry as the mix. The errors of a list name its entries."""
        if isinstance(value, MotionMix):
            return value
        if _has_focus(value):
            unknown = sorted(map(str, value.keys() - FOCUS_FIELDS))
            if unknown:
                raise ConfigError(f"unknown field {unknown[0]}; known: {', '.join(sorted(FOCUS_FIELDS))}")
            return {**value, "mix": _listed(value.get("mix", DEFAULT))}
        return {"mix": _CHOICES.validate_python(_listed(value))}

    @field_validator("mix")
    @classmethod
    def _some(cls, value: tuple[MotionChoice, ...]) -> tuple[MotionChoice, ...]:
        if not sum(choice.weight for choice in value) > 0.0:
            raise ConfigError("a mix needs at least one motion with a weight above 0")
        return value

    @field_validator("focus", mode="before")
    @classmethod
    def _known_focus(cls, value: Any) -> Any:
        if value not in ("any", "subject"):
            raise ConfigError(f"{value!r} is not known: it must be any or subject")
        return value

    @field_validator("subject_share", mode="before")
    @classmethod
    def _share(cls, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value <= 1.0:
            raise ConfigError(f"{value!r} is out of range: it must be above 0 and at most 1")
        return float(value)

    @model_validator(mode="after")
    def _effective(self) -> Self:
        if self.focus == "any" and self.subject_share != SUBJECT_SHARE:
            raise ConfigError(
                f"subject_share = {self.subject_share:g} has no effect with focus=any; set focus=subject, or "
                "leave it out"
            )
        return self

    @model_serializer
    def _plain(self) -> Any:
        """Without a focus a mix is a list, as configs have always held it."""
        mix = [choice.to_dict() for choice in self.mix]
        if self.focus == "any":
            return mix
        return {"focus": self.focus, "subject_share": self.subject_share, "mix": mix}

    @staticmethod
    def as_mapping(written: Any) -> dict[str, Any]:
        """Return the mapping form of a mix as a config file has it, for an override of one of its fields."""
        if _has_focus(written):
            return dict(written)
        if written is None:
            return {}
        return {"mix": written}

    @property
    def root(self) -> tuple[MotionChoice, ...]:
        """The choices."""
        return self.mix

    @classmethod
    def make(cls, values: str | Sequence[Any] | Mapping[str, Any]) -> Self:
        """Make a mix from a name, a list of names and mappings, or a mapping with a focus.

        Raises ConfigError for the entry.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(_one_line(error)) from None

    @classmethod
    def default(cls) -> Self:
        """Return the default mix: moving and resting views, and the usual compositions."""
        return cls.make(DEFAULT)

    def to_dict(self) -> Any:
        """Return plain JSON/YAML values, of which `make` makes an equal mix.

        They are a list, or a mapping with a focus.
        """
        return self.model_dump(mode="json")

    def probabilities(self) -> list[float]:
        """Return the probability of each choice, in order."""
        total = sum(choice.weight for choice in self.mix)
        return [choice.weight / total for choice in self.mix]

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
        return [choice.plan() for choice in self.mix]

    @cached_property
    def _bounds(self) -> list[float]:
        return list(accumulate(choice.weight for choice in self.mix))

    @cached_property
    def _last(self) -> int:
        return max(i for i, choice in enumerate(self.mix) if choice.weight > 0.0)

    def __getstate__(self) -> dict[Any, Any]:
        # Plans hold functions. Each process makes them from their names.
        state = dict(super().__getstate__())
        state["__dict__"] = {k: v for k, v in state["__dict__"].items() if not k.startswith("_")}
        return state

    def __str__(self) -> str:
        choices = ", ".join(str(choice) for choice in self.mix)
        if self.focus == "any":
            return choices
        return f"{choices}; every view holds {100 * self.subject_share:g} % of the subject"


def draw(
    mix: MotionMix | str | Sequence[Any],
    *,
    seed: int,
    image_size: tuple[int, int],
    frames: int = 12,
    size: tuple[int, int] = (224, 224),
    fps: float = FPS,
    subject: Subject | None = None,
) -> Trajectory:
    """Choose a motion of the mix and draw its parameters and its place, all from `seed`.

    `schemas.keys.derive_seed` makes such seeds.

    `image_size` and `size` are (H, W) in pixels, of the picture and of the frames. With focus=subject the
    chosen motion is drawn until every view holds enough of `subject`; without a subject, once. Raises
    ConfigError for what cannot be.
    """
    check_shape(image_size, frames, size, fps)
    if not isinstance(mix, MotionMix):
        mix = MotionMix.make(mix)
    rng = clip_rng(seed)
    plan = mix.choose(rng.random())

    def drawn() -> Trajectory:
        return plan.draw(rng, image_size=image_size, frames=frames, size=size, fps=fps)

    if subject is None or mix.focus == "any":
        return drawn()
    return first_that_holds(subject, mix.subject_share, drawn)


def _has_focus(value: Any) -> bool:
    """Is this the mapping form of a mix, and not one motion with its parameters?"""
    return isinstance(value, Mapping) and "name" not in value and bool(FOCUS_FIELDS & value.keys())


def _listed(value: Any) -> Any:
    if isinstance(value, str | Mapping):
        return [value]
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{value!r} is no list of motions: write e.g. [zoom_in, pan_left]")
    return value


def _one_line(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(["motions", *(str(part) for part in first["loc"])])
    if first["type"] == "missing":
        return f"{where} is required: a motion's name"
    return f"{where}: {first['msg'].removeprefix('Value error, ')}"
