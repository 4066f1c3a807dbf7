"""KEY.json: the description of a sample, enough to render the clip again from the source picture."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Any

import numpy as np
import orjson

from schemas.records import Reason, SampleError, Stage

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_PLAIN_NUMBERS = b"0123456789.,-[]"
MAX_JSON_BYTES = 16 << 20  # of KEY.json, which takes ten times its bytes in memory; a usual one has 2 kB
LISTS = ("captions", "quads", "timestamps")
KINDS = ("animated", "video")
FORMAT = 1  # raised when a reader of the older form would misread the newer


@dataclass(frozen=True)
class ClipMeta:
    """The JSON member of a sample.

    Sizes in pixels, fps in frames per second, `quads` [T,4,2] in fractions (motions.md).
    """

    key: str
    caption: str  # the content of KEY.txt
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
    device: str = "cpu"  # the device that rendered it
    version: str = ""  # of zoetrope
    meta: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)  # by filter; left out of the JSON if empty
    format: int = FORMAT

    def quads_T42(self) -> np.ndarray:
        """The trajectory as float32 [T,4,2]; exact, because 9 digits hold a float32."""
        return np.asarray(self.quads, dtype=np.float32).reshape(-1, 4, 2)

    def to_json(self) -> bytes:
        """Canonical bytes: sorted keys, no spaces, UTF-8."""
        fields = {**vars(self), "quads": 0}  # most of the text is numbers, which orjson writes much faster
        if not self.scores:
            del fields["scores"]
        text = _CANONICAL.encode(fields)
        before, name, after = text.rpartition('"quads":0')  # within a text its quotes would be escaped
        return b"".join([before.encode(), name[:-1].encode(), _numbers_json(self.quads), after.encode()])

    @property
    def all_captions(self) -> tuple[str, ...]:
        """The captions; `caption` alone where they are not listed; () if there is none."""
        if self.captions or not self.caption:
            return self.captions
        return (self.caption,)

    @classmethod
    def from_json(cls, data: bytes | str | Mapping[str, Any]) -> ClipMeta:
        """Parse and check.

        Raises ValueError that names the mistake; fields of later minor versions are ignored.
        """
        if isinstance(data, bytes | str) and len(data) > MAX_JSON_BYTES:
            raise ValueError(f"KEY.json: {len(data)} bytes, over the limit of {MAX_JSON_BYTES}")
        if isinstance(data, bytes | str):
            values = orjson.loads(data)
        else:
            values = dict(data)
        found = values.get("format") if isinstance(values, dict) else values
        if not isinstance(values, dict) or found != FORMAT:
            raise ValueError(f"KEY.json: format must be {FORMAT}, got {repr(found)[:40]}")
        known = {k: v for k, v in values.items() if k in cls.__dataclass_fields__}
        try:
            for name in LISTS:
                if not isinstance(known.get(name, []), list | tuple):
                    raise ValueError(f"KEY.json: {name} is no list")
            known["captions"] = tuple(known.get("captions", ()))
            known["quads"] = tuple(tuple(map(tuple, quad)) for quad in known.get("quads", ()))
            known["timestamps"] = tuple(known.get("timestamps", ()))
            meta = cls(**known)
            meta._check()
        except TypeError as error:
            raise ValueError(f"KEY.json: {error}") from None
        return meta

    def _check(self) -> None:
        """Raises ValueError or TypeError for a field of another type or shape."""
        for words, kinds, names in _FIELDS:
            for name in names:
                value = getattr(self, name)
                # To isinstance a bool is an int.
                if not isinstance(value, kinds) or value is True or value is False:
                    raise ValueError(f"KEY.json: {name} is {str(value)[:40]!r}, not {words}")
        if self.kind not in KINDS:
            raise ValueError(f"KEY.json: kind is {self.kind[:40]!r}, none of {', '.join(KINDS)}")
        if not all(isinstance(caption, str) for caption in self.captions):
            raise ValueError("KEY.json: a caption is no text")
        if min(self.frames, self.width, self.height, self.original_width, self.original_height) < 0:
            raise ValueError("KEY.json: a size is negative")
        if not (math.isfinite(self.fps) and self.fps >= 0):
            raise ValueError(f"KEY.json: fps is {self.fps}")
        if self.quads and _shape(self.quads)[1:] != (4, 2):
            raise ValueError("KEY.json: quads are not numbers [T, 4, 2]")
        if self.timestamps and len(_shape(self.timestamps)) != 1:
            raise ValueError("KEY.json: timestamps are not a list of numbers")
        if not all(isinstance(score, int | float) for score in self.scores.values()):
            raise ValueError("KEY.json: a score is no number")


def scores_text(scores: Mapping[str, float]) -> str | None:
    """The scores of a sample as the tables hold them: JSON with sorted names, None if there are none."""
    if not scores:
        return None
    return json.dumps(dict(scores), sort_keys=True, separators=(",", ":"))


def json_member(meta: ClipMeta) -> bytes:
    """The bytes of KEY.json. Raises SampleError (stage encode, too_large) for one that readers refuse."""
    data = meta.to_json()
    if len(data) > MAX_JSON_BYTES:
        detail = f"KEY.json: {len(data)} bytes, over the limit of {MAX_JSON_BYTES}"
        raise SampleError(Stage.ENCODE, Reason.TOO_LARGE, detail)
    return data


def _shape(values: Any) -> tuple[int, ...]:
    """The shape of nested numbers; () for anything else."""
    try:
        numbers = np.asarray(values)
    except (ValueError, TypeError):  # rows of different lengths
        return ()
    if numbers.dtype.kind not in "if":  # texts, truth values, huge integers
        return ()
    return numbers.shape


_FIELDS: tuple[tuple[str, tuple[type, ...], tuple[str, ...]], ...] = (
    ("text", (str,), ("key", "caption", "source", "store", "kind", "sha256", "motion", "device", "version")),
    ("a whole number", (int,), ("frames", "width", "height", "original_width", "original_height", "seed")),
    ("a number", (float, int), ("fps",)),
    ("a mapping", (dict, Mapping), ("motion_parameters", "meta", "scores")),
    ("text or null", (str, NoneType), ("url", "image_id", "motion_phrase")),
)


def quads_to_json(quads_T42: np.ndarray) -> tuple[tuple[tuple[float, float], ...], ...]:
    """float32 [T,4,2] as nested floats of at most 9 digits, which read back to the same float32."""
    numbers = np.asarray(quads_T42, np.float32).ravel().tolist()
    short = map(float, ("%.9g " * len(numbers) % tuple(numbers)).split())
    corners = list(zip(short, short, strict=True))
    return tuple(zip(corners[0::4], corners[1::4], corners[2::4], corners[3::4], strict=True))


def _numbers_json(values: Any) -> bytes:
    """Nested numbers as `json` writes them. orjson writes other digits where a number has an exponent."""
    text = orjson.dumps(values)
    if text.translate(None, _PLAIN_NUMBERS):
        return json.dumps(values, separators=(",", ":")).encode()
    return text
