"""Search results as one page that needs no other file and asks no server for anything."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from schemas.errors import ConfigError
from schemas.text import one_line
from storage.files import write_bytes
from storage.shards import RawSample, ShardError, iter_shard

if TYPE_CHECKING:
    from trainer.data.decode import Decoder
    from trainer.index.search import Hit, SearchIndex
    from trainer.retrieval.embed import Embedder

MILLISECONDS = 125  # a frame is shown
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
<div class="soft">{{ hits|length }} of {{ clips }} clips{% if fine %}, re-ranked by the interaction module{% endif %}</div>
{% if query_picture %}<img class="query" alt="the picture that was searched by" src="{{ query_picture }}">{% endif %}
<ol>
{% for hit, moving, still in hits %}
<li>
{% if moving %}
<picture><source media="(prefers-reduced-motion: reduce)" srcset="{{ still }}"><img alt="{{ hit.caption }}" src="{{ moving }}">
</picture>
{% else %}
<div class="missing soft">The shard is no longer where it was indexed.</div>
{% endif %}
<div class="text">
<p><strong>{{ hit.rank }}.</strong> {{ hit.caption }}</p>
<dl class="soft">
<dt>cosine</dt><dd>{{ "%.4f"|format(hit.coarse) }}</dd>
{% if hit.match is not none %}
<dt>match</dt><dd>{{ "%.2f"|format(hit.match) }}</dd>
<dt>coarse rank</dt><dd>{{ hit.coarse_rank }}</dd>
{% endif %}
<dt>key</dt><dd>{{ hit.key }}</dd>
<dt>shard</dt><dd>{{ hit.shard.rpartition("/")[2] }}</dd>
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
    index: SearchIndex,
    hits: Sequence[Hit],
    *,
    text: str | None = None,
    image_HWC: np.ndarray | None = None,
) -> None:
    """Write the page, whole or not at all. A clip whose shard has gone is shown without frames. Raises ConfigError."""
    from jinja2 import Environment, StrictUndefined

    shown = []
    clips: Sequence[np.ndarray | None] = read_frames_or_none(hits, index.embedder)
    for hit, frames in zip(hits, clips, strict=True):
        moving, first = ("", "") if frames is None else (_data_uri(frames), _data_uri(frames[:1]))
        shown.append((hit, moving, first))
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.from_string(TEMPLATE).render(
        title=text or "Clips like this picture",
        clips=f"{index.clips:,}",
        fine=any(hit.match is not None for hit in hits),
        hits=shown,
        query_picture="" if image_HWC is None else _data_uri(_small(image_HWC)[None]),
    )
    try:
        write_bytes(str(path), page.encode())
    except OSError as error:
        raise ConfigError(f"html {path} cannot be written: {error}") from None


def read_frames(hits: Sequence[Hit], embedder: Embedder) -> list[np.ndarray]:
    """Each hit's frames as the model sees them, uint8 RGB [T,h,w,3]. Raises ShardError naming shard and key."""
    found = read_frames_or_none(hits, embedder)
    for hit, frames in zip(hits, found, strict=True):
        if frames is None:
            raise ShardError(f"{hit.shard}: {hit.key} is not there any more; index the shards again")
    return [frames for frames in found if frames is not None]


def read_frames_or_none(hits: Sequence[Hit], embedder: Embedder) -> list[np.ndarray | None]:
    """As `read_frames`, None where shard or sample have gone. A shard is read once, as far as its last hit."""
    from trainer.data.config import DataConfig
    from trainer.data.decode import Decoder

    decoder = Decoder(
        DataConfig(shards=""),
        frames=embedder.model.config.max_frames,
        size=embedder.size,
        seed=0,
        training=False,
    )
    wanted: dict[str, set[str]] = {}
    for hit in hits:
        wanted.setdefault(hit.shard, set()).add(hit.key)
    frames: dict[tuple[str, str], np.ndarray] = {}
    for shard, keys in wanted.items():
        for sample in _samples(shard, keys):
            frames[shard, sample.key] = _frames(sample, decoder, embedder.size)
    return [frames.get((hit.shard, hit.key)) for hit in hits]


def _samples(shard: str, keys: set[str]) -> list[RawSample]:
    found = []
    try:
        for sample in iter_shard(shard):
            if sample.key in keys:
                found.append(sample)
            if len(found) == len(keys):
                break
    except FileNotFoundError:
        return []
    return found


def _frames(sample: RawSample, decoder: Decoder, size: tuple[int, int]) -> np.ndarray:
    from transforms.rendering.render import render

    try:
        decoded = decoder(sample, 0)
    except (ValueError, OSError) as error:
        raise ShardError(f"{sample.shard}: {sample.key}: {one_line(error)}") from None
    if decoded.frames_THWC is not None:
        return decoded.frames_THWC
    assert decoded.picture_HWC is not None and decoded.quads_T42 is not None  # noqa: S101, PT018
    return render(decoded.picture_HWC, decoded.quads_T42, size=size)


def _data_uri(frames_THWC: np.ndarray) -> str:
    """A looping WebP inside a URI."""
    from PIL import Image

    first, *rest = (Image.fromarray(frame) for frame in frames_THWC)
    out = io.BytesIO()
    first.save(
        out,
        "WEBP",
        save_all=bool(rest),
        append_images=rest,
        duration=MILLISECONDS,
        loop=0,
        quality=75,
        method=2,
    )
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"


def _small(image_HWC: np.ndarray) -> np.ndarray:
    from PIL import Image

    image = Image.fromarray(image_HWC)
    image.thumbnail((320, 320))
    return np.asarray(image)
