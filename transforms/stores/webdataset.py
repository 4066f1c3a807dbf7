"""Samples of webdataset pipelines: ``webdataset.WebDataset(urls).map(zoetrope.decode_clip)``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from schemas.clip import ClipMeta
from schemas.text import one_line
from transforms.stores.read import read_clip


def decode_clip(
    sample: Mapping[str, Any], *, frames: int | None = None, size: tuple[int, int] | None = None
) -> dict[str, Any]:
    """Decode a raw sample of any store, as webdataset gives it before any ``.decode()``.

    Returns a dict with ``__key__`` and ``__url__`` as they came. It adds ``frames`` (uint8 RGB [T,H,W,3]),
    ``caption`` (the text of KEY.txt), ``captions`` (a list of all) and ``metadata`` (KEY.json as a dict). A
    still is rendered along its stored path. `frames` limits the number of frames, evenly spaced; `size` =
    (height, width) gives every clip one size, so that clips can be stacked. Nothing is unpickled. Raises
    ValueError, naming shard and key, for a sample that cannot be decoded; webdataset's
    ``handler=webdataset.warn_and_continue`` skips those.
    """
    place = f"{sample.get('__url__', 'sample')}: {sample.get('__key__', '?')}"
    try:
        members = {name: data for name, data in sample.items() if not name.startswith("__")}
        _check_raw(members)
        meta = ClipMeta.from_json(members["json"])
        decoded = {
            "frames": read_clip(members, meta, frames=frames, size=size),
            "caption": members["txt"].decode(),
            "captions": list(meta.captions),
            "metadata": orjson.loads(members["json"]),
        }
    except (ValueError, OSError) as error:
        raise ValueError(f"{place}: {one_line(error)}") from error
    given = {name: value for name, value in sample.items() if name in ("__key__", "__url__")}
    return given | decoded


def _check_raw(members: Mapping[str, Any]) -> None:
    for name in ("json", "txt"):
        if name not in members:
            raise ValueError(f"KEY.{name} is missing; the sample has {', '.join(members) or 'no members'}")
    for name, data in members.items():
        if not isinstance(data, bytes):
            raise ValueError(
                f"KEY.{name} is {type(data).__name__}, not bytes; put decode_clip before any .decode()"
            )
