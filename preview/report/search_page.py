"""Search results as one self-contained page: it needs no other file and asks no server for anything."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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


TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{{ title }} - Zoetrope search</title>
<style>
:root { color-scheme: light dark; --ground: #f7f7f5; --panel: #fff; --ink: #1c1d1f; --soft: #5d6066; --line: #dcdcd8; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #15171a; --panel: #1e2125; --ink: #e9e9e6; --soft: #a2a6ad; --line: #353a40; }
}
body { margin: 0 auto; max-width: 80rem; padding: 1.5rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.4rem; line-height: 1.3; margin: 0 0 .25rem; overflow-wrap: anywhere; }
.soft { color: var(--soft); font-size: .87rem; }
ol { list-style: none; margin: 1.25rem 0 0; padding: 0; display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); }
li { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
li img, .missing { display: block; width: 100%; aspect-ratio: 1; object-fit: cover; background: var(--line); }
.missing { display: grid; place-items: center; padding: 1rem; box-sizing: border-box; }
.text { padding: .6rem .75rem .75rem; overflow-wrap: anywhere; }
.text p { margin: 0 0 .35rem; }
.query { width: 10rem; border-radius: 8px; display: block; margin-top: .75rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 .75rem; margin: 0; }
dd { margin: 0; font-variant-numeric: tabular-nums; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<div class="soft">{{ results|length }} of {{ clips }} clips{% if fine %}, re-ranked by the interaction module{% endif %}</div>
{% if query_picture %}<img class="query" alt="the picture of the query" src="{{ query_picture }}">{% endif %}
<ol>
{% for hit, moving, still in results %}
<li>
{% if moving %}
<picture><source media="(prefers-reduced-motion: reduce)" srcset="{{ still }}"><img alt="{{ hit.caption }}" src="{{ moving }}">
</picture>
{% else %}
<div class="missing soft">The clip is no longer where it was indexed.</div>
{% endif %}
<div class="text">
<p><strong>{{ hit.rank }}.</strong> {{ hit.caption }}</p>
<dl class="soft">
<dt>cosine</dt><dd>{{ "%.4f"|format(hit.cosine) }}</dd>
{% if hit.match is not none %}
<dt>match</dt><dd>{{ "%.2f"|format(hit.match) }}</dd>
<dt>coarse rank</dt><dd>{{ hit.coarse_rank }}</dd>
{% endif %}
<dt>key</dt><dd>{{ hit.key }}</dd>
<dt>shard</dt><dd>{{ hit.shard }}</dd>
</dl>
</div>
</li>
{% endfor %}
</ol>
</body>
</html>
"""


def write_page(
    path: str | Path,
    results: Sequence[Result],
    *,
    clips: int,
    text: str | None = None,
    image_HWC: np.ndarray | None = None,
) -> None:
    """Write the page, whole or not at all. Raises ConfigError if it cannot be written.

    `clips` is the number of clips that were searched; `text` or `image_HWC`, uint8 RGB [H,W,3], is the query.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.from_string(TEMPLATE).render(
        title=text or "Clips like this picture",
        clips=f"{clips:,}",
        fine=any(result.match is not None for result in results),
        results=[(result, *_pictures(result.frames_THWC)) for result in results],
        query_picture="" if image_HWC is None else _data_uri(shrink(image_HWC[None], longest=QUERY_SIDE)),
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
