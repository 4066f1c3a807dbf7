"""One entry of the `motions` field of a config: a motion, how often, with which parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from schemas.errors import ConfigError
from schemas.text import one_line
from transforms.motions.composition import FPS, Plan, clip_rng, make_plan


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
                plan.draw(clip_rng(0), image_size=(480, 640), frames=12, size=(224, 224), fps=FPS)
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
        if further:
            return f"{self.name} {yaml.safe_dump(further, default_flow_style=True, sort_keys=False).strip()}"
        return self.name
