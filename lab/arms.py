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
    phrase_share: float = 1.0  # of the config's motion_phrases
    paths: int | None = None  # over one picture, instead of the config's paths_per_picture
    videos: float = 0.0  # share of the clips over stills that is real videos instead


def _amounts(motion: Mapping[str, Any], factor: float) -> Mapping[str, Any]:
    """Return a motion with `factor` times its distance and angle, and its zoom to the power of `factor`."""
    changed = dict(motion)
    for name in ("distance", "degrees"):
        if name in motion:
            changed[name] = [factor * value for value in motion[name]]
    if "zoom" in motion:
        changed["zoom"] = [value**factor for value in motion["zoom"]]
    return changed


def _full(about: str, motions: tuple[Mapping[str, Any], ...] = MIX, **changes: Any) -> Arm:
    """Return the arm `negatives` with a change."""
    return Arm(about, "stills", motions, phrases=True, negatives=True, **changes)


ARMS: Mapping[str, Arm] = MappingProxyType(
    {
        "none": Arm("no pretraining on clips", None),
        "static": Arm("each picture repeated", "stills", ({"name": "static"},)),
        "held": Arm("a drawn view, held", "stills", ({"name": "held", "zoom": [1.0, 2.6]},)),
        "animated": Arm("camera motions", "stills", MIX),
        "phrases": Arm("camera motions and their phrases", "stills", MIX, phrases=True),
        "negatives": _full("and paths of one picture as negatives"),
        "video": Arm("real videos, the ceiling", "real"),
    }
)
# The ablation: `negatives` with one change each.
ABLATION: Mapping[str, Arm] = MappingProxyType(
    {
        "pans": _full("pans alone", MOTIONS[:4]),
        "zooms": _full("zooms alone", MOTIONS[4:6]),
        "turns": _full("rotations alone", MOTIONS[6:]),
        "singles": _full("no two motions in a row", MOTIONS),
        "small": _full("half the amounts", tuple(_amounts(motion, 0.5) for motion in MIX)),
        "large": _full("1.5 times the amounts", tuple(_amounts(motion, 1.5) for motion in MIX)),
        "half_phrases": _full("half the captions say the motion", phrase_share=0.5),
        "two_paths": _full("two paths over a picture", paths=2),
        "with_video": _full("half the clips are real videos", videos=0.5),
    }
)
ALL_ARMS: Mapping[str, Arm] = MappingProxyType({**ARMS, **ABLATION})
