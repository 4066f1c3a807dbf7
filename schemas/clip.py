"""KEY.json: what a sample says of itself. Enough to render the clip again from the source picture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

FORMAT = 1  # raised when a reader of the older form would misread the newer


@dataclass(frozen=True)
class ClipMeta:
    """The JSON member of a sample. Sizes in pixels, fps in frames a second, `quads` [T,4,2] in fractions (see motions.md)."""

    key: str
    caption: str  # what KEY.txt holds
    captions: tuple[str, ...]  # every caption, normalised
    source: str  # coco, cc3m, ...; for videos msrvtt, msvd, vatex, csv
    store: str  # frames | mp4 | still
    frames: int  # frames in the clip (after animation for `still`)
    fps: float
    width: int  # of a frame
    height: int
    kind: str = "animated"  # animated | video
    url: str | None = None
    image_id: str | None = None  # the picture's or video's identity; equal ids are no negatives of each other
    original_width: int = 0  # as decoded, EXIF orientation applied, before any reduction
    original_height: int = 0
    sha256: str = ""  # of the source bytes
    motion: str = "static"
    motion_parameters: Mapping[str, Any] = field(default_factory=dict)
    motion_phrase: str | None = None  # appended to the caption, if it was
    seed: int = 0  # the run's seed
    quads: tuple[tuple[tuple[float, float], ...], ...] = ()  # [T][4][2], () for real videos
    timestamps: tuple[float, ...] = ()  # seconds in the source video, () for animated stills
    device: str = "cpu"  # what rendered it
    version: str = ""  # of zoetrope
    meta: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    def quads_T42(self) -> np.ndarray:
        """The trajectory as float32 [T,4,2]; exact, because 9 digits hold a float32."""
        return np.asarray(self.quads, dtype=np.float32).reshape(-1, 4, 2)

    def to_json(self) -> bytes:
        """Canonical bytes: sorted keys, no spaces, UTF-8."""
        return json.dumps(vars(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, data: bytes | str | Mapping[str, Any]) -> ClipMeta:
        """Parse and check. Raises ValueError naming what is wrong; fields of later minor versions are ignored."""
        values = orjson.loads(data) if isinstance(data, bytes | str) else dict(data)
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise ValueError(
                f"KEY.json: format must be {FORMAT}, got {values.get('format') if isinstance(values, dict) else values!r}"
            )
        known = {k: v for k, v in values.items() if k in cls.__dataclass_fields__}
        known["captions"] = tuple(known.get("captions", ()))
        known["quads"] = tuple(tuple(map(tuple, quad)) for quad in known.get("quads", ()))
        known["timestamps"] = tuple(known.get("timestamps", ()))
        try:
            return cls(**known)
        except TypeError as error:
            raise ValueError(f"KEY.json: {error}") from None


def quads_to_json(quads_T42: np.ndarray) -> tuple[tuple[tuple[float, float], ...], ...]:
    """float32 [T,4,2] as nested floats of at most 9 digits, which read back to the same float32."""
    quads = np.asarray(quads_T42, np.float32).tolist()
    return tuple(tuple((float(f"{x:.9g}"), float(f"{y:.9g}")) for x, y in quad) for quad in quads)
