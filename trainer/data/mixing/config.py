"""One set of a mix: its shards, its share, and the settings in which it differs from the others."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import Field, field_validator

from schemas.config import Config
from schemas.errors import ConfigError
from trainer.data.augment.draw import AugmentConfig
from transforms.motions.mix import MotionMix


class MixEntry(Config):
    """A set of shards in `data.mix`. Settings that are left out are those of `data`."""

    shards: str | list[str] = Field(
        description="a folder, a glob or a brace range, local or gs://; or a list"
    )
    weight: float = Field(default=1.0, description="samples of a batch, relative to the other sets; above 0")
    camera: Literal["fresh", "stored", "picture"] | None = None
    motions: MotionMix | None = None
    motion_phrases: float | None = None
    paths_per_picture: int | None = None
    captions: Literal["turn", "first"] | None = None
    frame_jitter: Literal["clip2video", "segments", "start"] | None = None
    equal_captions: bool | None = None
    augment: AugmentConfig | None = None

    @field_validator("weight", mode="before")
    @classmethod
    def _weigh(cls, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < math.inf:
            raise ConfigError(f"{value!r} is out of range: it must be a number above 0")
        return float(value)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that are given, as fields of `data`."""
        given = self.to_dict()
        return {name: value for name, value in given.items() if name != "weight" and value is not None}
