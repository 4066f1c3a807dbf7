"""JSON of videos and their captions, in the forms that MSR-VTT and VATEX are passed around in.

- MSR-VTT: an object of 'videos' and 'sentences'; COCO's form, with 'images' and 'annotations'.
- VATEX: a list of objects with 'videoID' and 'enCap'; CLIP2Video's object by id.
- Both: a list of rows with an id and a caption or captions; an object of captions by id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.sources.annotations.cells import as_list, as_mapping
from pipelines.sources.annotations.coco_index import identifier_of
from pipelines.sources.annotations.json_entries import json_entries
from pipelines.workers.reader import Progress, unwatched
from schemas.text import valid_text

ABOUT = ("videos", "images")  # arrays of videos
CAPTIONS = ("sentences", "annotations")  # arrays of captions
ID_FIELDS = ("video_id", "videoID", "video", "image_id", "id")
INNER_CAPTION_FIELDS = ("caption", "sentence", "raw", "text")


@dataclass(slots=True)
class VideoItem:
    """One video of the annotations."""

    captions: list[str] = field(default_factory=list)
    about: Mapping[str, Any] = field(default_factory=dict)  # its fields as written
    is_listed: bool = False  # is it in an array of videos?


def read_videos(
    paths: Iterable[str], field: str, captions: Sequence[str], progress: Progress = unwatched
) -> dict[str, VideoItem]:
    """Videos by id, in the files' order; `captions` are the fields that hold captions.

    Where the files have arrays of videos, these come first and in their order. Ids are text: 7 and 7.0 are
    '7'. Raises ConfigError for a file that is not JSON.
    """
    found: dict[str, VideoItem] = {}
    has_arrays = False
    by_id: list[tuple[str, Any]] = []
    for path in paths:
        for name, entry in json_entries(path, field, (*ABOUT, *CAPTIONS), others=True, progress=progress):
            about = as_mapping(entry)
            if name is None or name in ABOUT or name in CAPTIONS:
                has_arrays = has_arrays or name is not None
                _add(found, _id_of(about), about, captions, is_listed=name in ABOUT)
            else:
                by_id.append((name, entry))
    if not has_arrays:  # else they are headers, such as 'info' and 'licenses'
        for name, entry in by_id:
            if isinstance(entry, dict):
                about = entry
            else:
                about = {captions[0]: entry}
            _add(found, name, about, captions, is_listed=False)
    listed = {video: item for video, item in found.items() if item.is_listed}
    return listed or found


def _add(
    found: dict[str, VideoItem],
    video: str | None,
    about: Mapping[str, Any],
    fields: Sequence[str],
    is_listed: bool,
) -> None:
    if video is None:
        return
    item = found.setdefault(video, VideoItem())
    if is_listed or not item.about:
        item.about = about
    item.is_listed = item.is_listed or is_listed
    item.captions += _captions(about, fields)


def _id_of(about: Mapping[str, Any]) -> str | None:
    for name in ID_FIELDS:
        identifier = identifier_of(about.get(name))
        if identifier is not None:
            return valid_text(str(identifier))
    return None


def _captions(about: Mapping[str, Any], fields: Sequence[str]) -> list[str]:
    """The captions in the first of the fields that holds any."""
    for name in fields:
        values = map(_inner, as_list(about.get(name)))
        texts = [valid_text(text) for text in values if isinstance(text, str)]
        if texts:
            return texts
    return []


def _inner(value: Any) -> Any:
    """A caption, or the caption in an object."""
    if not isinstance(value, dict):
        return value
    return next((value[name] for name in INNER_CAPTION_FIELDS if name in value), None)
