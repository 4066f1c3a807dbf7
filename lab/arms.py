"""The arms of the experiment: what each one pretrains on. All else is equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

# Amounts are those of a hand-held or mounted camera in a short clip; `held` has the same range of views.
MOTIONS: tuple[Mapping[str, Any], ...] = (
    *({"name": f"pan_{way}", "distance": [0.4, 0.8]} for way in ("left", "right", "up", "down")),
    *({"name": f"zoom_{way}", "zoom": [1.6, 2.6]} for way in ("in", "out")),
    *({"name": f"rotate_{way}", "degrees": [30.0, 60.0]} for way in ("cw", "ccw")),
)
# Two motions in a row are a third of all, as in the videos.
ORDERS: tuple[Mapping[str, Any], ...] = tuple(
    {"name": f"{first}>{second}", "zoom": [1.6, 2.6], "distance": [0.4, 0.8], "weight": 0.5}
    for zoom in ("zoom_in", "zoom_out")
    for pan in ("pan_left", "pan_right")
    for first, second in ((zoom, pan), (pan, zoom))
)
MIX = (*MOTIONS, *ORDERS)


@dataclass(frozen=True)
class Arm:
    """One way to pretrain."""

    about: str
    data: str | None  # stills, real, or None: no pretraining
    motions: tuple[Mapping[str, Any], ...] = ()  # over stills
    phrases: bool = False  # captions say the motion
    negatives: bool = False  # several paths over one picture in a batch


ARMS: Mapping[str, Arm] = MappingProxyType(
    {
        "none": Arm("no pretraining on clips", None),
        "static": Arm("each picture repeated", "stills", ({"name": "static"},)),
        "held": Arm("a drawn view, held", "stills", ({"name": "held", "zoom": [1.0, 2.6]},)),
        "animated": Arm("camera motions", "stills", MIX),
        "phrases": Arm("camera motions and their phrases", "stills", MIX, phrases=True),
        "negatives": Arm(
            "and paths of one picture as negatives", "stills", MIX, phrases=True, negatives=True
        ),
        "video": Arm("real videos, the ceiling", "real"),
    }
)
