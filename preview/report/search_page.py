"""Search results as one self-contained page: it needs no other file and asks no server for anything."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from preview.report.page import make_environment
from preview.show.animation import encode_webp, shrink
from schemas.errors import ConfigError
from storage.write import write_bytes

FPS = 8.0  # of the clips on the page
QUERY_SIDE = 320  # longest side of the query's picture, pixels


@dataclass(frozen=True, eq=False)
class Result:
    """One search result."""

    rank: int  # from 1
    key: str
    shard: str  # file name of the shard
    caption: str
    cosine: float  # of the query and the clip, -1 to 1
    coarse_rank: int  # from 1, before re-ranking
    match: float | None  # logit of the interaction module; None where the clip was not re-ranked
    frames_THWC: np.ndarray | None  # uint8 RGB; None where the clip no longer exists


def write_page(
    path: str | Path,
    results: Sequence[Result],
    *,
    clips: int,
    text: str | None = None,
    image_HWC: np.ndarray | None = None,
    video_THWC: np.ndarray | None = None,
) -> None:
    """Write the page, whole or not at all. Raises ConfigError if it cannot be written.

    `clips` is the number of clips that were searched; `text`, `image_HWC` (uint8 RGB [H,W,3]) or
    `video_THWC` is the query.
    """
    title, query_picture = text or "Clips like this picture", ""
    if image_HWC is not None:
        query_picture = _data_uri(shrink(image_HWC[None], longest=QUERY_SIDE))
    if video_THWC is not None:
        title, query_picture = "Clips like this video", _data_uri(shrink(video_THWC, longest=QUERY_SIDE))
    template = make_environment().get_template("search.html.j2")
    page = template.render(
        title=title,
        clips=f"{clips:,}",
        fine=any(result.match is not None for result in results),
        results=[(result, *_pictures(result.frames_THWC)) for result in results],
        query_picture=query_picture,
    )
    try:
        write_bytes(str(path), page.encode())
    except OSError as error:
        raise ConfigError(f"html {path} cannot be written: {error}") from None


def _pictures(frames_THWC: np.ndarray | None) -> tuple[str, str]:
    """The moving clip and its first frame, or two empty strings."""
    if frames_THWC is None:
        return "", ""
    return _data_uri(frames_THWC), _data_uri(frames_THWC[:1])


def _data_uri(frames_THWC: np.ndarray) -> str:
    """Encode frames as a looping WebP inside a URI."""
    data = encode_webp(frames_THWC, fps=FPS)
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"
