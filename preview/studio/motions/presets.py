"""Motions under a name, as starting points: the motions of a config, with the focus where it matters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PRESETS: tuple[Mapping[str, Any], ...] = (
    {
        "name": "Slow push in",
        "help": "towards the subject, gentle at both ends",
        "motions": [{"name": "zoom_in", "zoom": 1.3, "easing": "ease_in_out"}],
        "focus": "subject",
    },
    {
        "name": "Reveal",
        "help": "from a detail to the whole picture",
        "motions": [{"name": "zoom_out", "zoom": 1.8, "easing": "ease_out_cubic"}],
        "focus": "any",
    },
    {
        "name": "Documentary",
        "help": "a slow move over a photograph, as in documentaries",
        "motions": [{"name": "ken_burns", "zoom": 1.25, "distance": 0.2, "easing": "ease_in_out"}],
        "focus": "any",
    },
    {
        "name": "Handheld pan",
        "help": "a pan with the shake of a hand",
        "motions": [{"name": "pan_right+crop_jitter", "pan_right.distance": 0.3, "easing": "ease_in_out"}],
        "focus": "any",
    },
    {
        "name": "Push, then pan",
        "help": "one after the other",
        "motions": [{"name": "zoom_in>pan_left", "zoom_in.zoom": 1.5, "easing": "ease_in_out"}],
        "focus": "any",
    },
    {
        "name": "Two shots",
        "help": "a detail at rest, a cut, and the whole picture",
        "motions": [{"name": "held|zoom_out", "held.zoom": 2.0, "zoom_out.zoom": 1.3}],
        "focus": "any",
    },
    {
        "name": "Turn and close in",
        "help": "a rotation inside a zoom",
        "motions": [{"name": "rotate_cw+zoom_in", "rotate_cw.degrees": 20.0, "zoom_in.zoom": 1.4}],
        "focus": "any",
    },
)
