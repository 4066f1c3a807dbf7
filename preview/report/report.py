"""The run report: `report.html`, a self-contained page with moving clips, and `report.json`, its numbers."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from preview.report.scores import dropped_by_filter, score_histograms
from preview.report.summary import Histogram, Summary, summarise
from preview.show.animation import encode_webp, shrink, thin
from preview.show.clips import load_frames
from schemas.manifest import SAMPLES_FILE
from schemas.text import one_line
from storage.ordered import in_order
from storage.shards.access import ShardAccess
from storage.shards.read import ShardError
from storage.tables import count_rows, take_rows
from storage.uris import join
from storage.write import write_bytes

HTML_FILE, JSON_FILE = "report.html", "report.json"
CLIP_SIDE = 176  # longest side of a clip on the contact sheet, pixels
CLIP_FRAMES = 24
CLIP_BYTES = 180_000  # of one clip as WebP; the sheet of 12 is then under 3 MB of base64
TEXT_LIMIT = 240  # characters of a caption, key, detail or URL
ROWS_LIMIT = 40  # of a table
AT_ONCE = 4  # clips that are encoded side by side
CONFIG_LIMIT = 20_000  # characters
COLUMNS_OF_TIME = 60


@dataclass(frozen=True)
class RunStats:
    """The facts that only the run knows. The tables in the output folder hold the rest."""

    command: str  # as typed
    started: float  # seconds since the epoch
    seconds: float  # wall time of this run
    written: int = 0  # samples that this run wrote
    failed: int = 0  # inputs that this run found to fail
    resumed: int = 0  # samples of earlier runs
    bucket_seconds: float = 0.0  # width of a bucket of `throughput`; 0 = not measured
    throughput: tuple[int, ...] = ()  # samples (written and failed) that finished in each bucket
    # resolved, plain values; `motions` is the mix in the config
    config: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)  # package -> version
    counters: Mapping[str, int | float] = field(default_factory=dict)  # the job's counts and times


@dataclass(frozen=True)
class SheetClip:
    """One clip of the contact sheet."""

    key: str
    caption: str
    motion: str
    webp: str  # base64, looping
    still: str  # base64, the first frame, for readers who want no motion
    width: int  # pixels as shown
    height: int


@dataclass(frozen=True)
class Report:
    """The two files and their content."""

    html: str  # where it was written
    json: str
    values: dict[str, Any]  # of report.json


def write_report(output: str, stats: RunStats, *, clips: int = 12) -> Report:
    """Write `report.html` and `report.json` into an output folder (local or URI) from its tables and `stats`.

    `clips` (0 to 24) random clips, the same ones for the same output, are shown moving. A clip that cannot be
    read is named on the page instead of shown: the report of a job never fails on one shard.
    """
    if not 0 <= clips <= 24:
        raise ValueError(f"clips = {clips}: the contact sheet holds 0 to 24")
    summary = summarise(output)
    sheet, unreadable = contact_clips(output, clips)
    values = report_values(summary, stats)
    values["unreadable_clips"] = unreadable
    scores = score_histograms(output)
    values["scores"] = {h.name: _histogram(h) for h in scores}
    values["dropped"] = dict(dropped_by_filter(output))
    page = render_page(values, summary, stats, sheet, unreadable, scores)
    html, plain = join(output, HTML_FILE), join(output, JSON_FILE)
    for uri, text in (
        (html, page),
        (plain, json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n"),
    ):
        write_bytes(uri, text.encode("utf-8", "replace"))
    return Report(html, plain, values)


def report_values(summary: Summary, stats: RunStats) -> dict[str, Any]:
    """The content of `report.json`: plain values, format 1."""
    run = {
        k: v
        for k, v in asdict(stats).items()
        if k not in ("config", "versions", "counters", "throughput", "bucket_seconds")
    }
    run["started"] = datetime.fromtimestamp(stats.started, UTC).isoformat(timespec="seconds")
    run["samples_a_second"] = None
    if stats.seconds > 0:
        run["samples_a_second"] = round((stats.written + stats.failed) / stats.seconds, 2)
    return {
        "format": 1,
        "run": run,
        "output": {
            "shards": summary.shards,
            "samples": summary.samples,
            "bytes": summary.bytes,
            "failed": summary.failed,
        },
        "motions": motion_rows(stats.config.get("motions"), summary.motions),
        "sources": summary.sources,
        "clip_sizes": summary.clip_sizes,
        "histograms": {h.name: _histogram(h) for h in summary.histograms},
        "failures": [asdict(f) for f in summary.failures],
        "throughput": _merged(stats, most=1000),
        "config": dict(stats.config),
        "versions": dict(stats.versions),
        "counters": dict(stats.counters),
    }


def _histogram(histogram: Histogram) -> dict[str, Any]:
    return {"edges": list(histogram.edges), "counts": list(histogram.counts)}


def _merged(stats: RunStats, *, most: int) -> dict[str, Any]:
    """The throughput in at most `most` buckets, neighbours added up."""
    width = max(1, -(-len(stats.throughput) // most))
    samples = [sum(stats.throughput[i : i + width]) for i in range(0, len(stats.throughput), width)]
    return {"bucket_seconds": stats.bucket_seconds * width, "samples": samples}


def motion_rows(asked: Any, drawn: Mapping[str, int]) -> list[dict[str, Any]]:
    """One row per motion: the share in the config (None without one), the number and share drawn."""
    weights: dict[str, float] = {}
    for entry in asked or ():
        if isinstance(entry, Mapping):
            name, weight = entry.get("name"), entry.get("weight", 1.0)
        else:
            name, weight = entry, 1.0
        weights[str(name)] = weights.get(str(name), 0.0) + float(weight)
    whole, total = sum(weights.values()), sum(drawn.values())
    names = [*weights, *(n for n in drawn if n not in weights)]
    rows = [
        {
            "motion": name,
            "asked": weights[name] / whole if name in weights and whole else None,
            "drawn": drawn.get(name, 0),
            "share": drawn.get(name, 0) / total if total else 0.0,
        }
        for name in names
    ]
    return sorted(rows, key=lambda row: (-row["drawn"], row["motion"]))


def contact_clips(output: str, count: int) -> tuple[list[SheetClip], list[str]]:
    """Read up to `count` random clips, the same ones each time.

    Returns clips, and errors of unreadable ones.
    """
    access = ShardAccess()
    unreadable: list[str] = []

    def readable() -> Iterator[tuple[dict[str, Any], np.ndarray, float]]:
        for row in _random_rows(output, count):
            try:
                frames, fps = load_frames(access.read(join(output, row["shard"]), row["key"]))
            except (ShardError, OSError) as error:
                unreadable.append(one_line(error, TEXT_LIMIT))
                continue
            yield row, frames, fps

    with ThreadPoolExecutor(AT_ONCE) as pool:  # encoding leaves the GIL
        sheet = list(in_order(lambda clip: pool.submit(_sheet_clip, *clip), readable(), calls=AT_ONCE))
    return sheet, unreadable


def _random_rows(output: str, count: int) -> list[dict[str, Any]]:
    """Rows of the samples at random positions, read from the row groups that hold them."""
    counts = count_rows(output, SAMPLES_FILE)
    total = sum(counts)
    chosen = np.sort(np.random.default_rng(0).choice(total, min(count, total), replace=False))
    columns = ["key", "shard", "caption", "motion"]
    return take_rows(output, SAMPLES_FILE, chosen, counts=counts, columns=columns)


def _sheet_clip(row: Mapping[str, Any], frames: np.ndarray, fps: float) -> SheetClip:
    small = shrink(frames, longest=CLIP_SIDE)
    small, fps = thin(small, fps, most=CLIP_FRAMES)
    for quality in (70, 45, 20):
        moving = encode_webp(small, fps=fps, quality=quality)
        if len(moving) <= CLIP_BYTES:
            break
    else:  # noise, or very tall: the first frame alone
        moving = encode_webp(small[:1], fps=fps, quality=20)
    still = encode_webp(small[:1], fps=fps, quality=50)
    height, width = small.shape[1:3]
    caption, motion = str(row["caption"] or "")[:TEXT_LIMIT], str(row["motion"] or "real video")
    return SheetClip(
        key=str(row["key"]),
        caption=caption,
        motion=motion,
        webp=_base64(moving),
        still=_base64(still),
        width=width,
        height=height,
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def render_page(
    values: Mapping[str, Any],
    summary: Summary,
    stats: RunStats,
    sheet: list[SheetClip],
    unreadable: list[str],
    scores: Sequence[Histogram] = (),
) -> str:
    """The HTML page; every value is escaped by the template engine."""
    from preview.report.page import bars, columns_of_time, make_environment

    config = _yaml(stats.config)
    return (
        make_environment()
        .get_template("report.html.j2")
        .render(
            values=values,
            stats=stats,
            summary=summary,
            sheet=sheet,
            unreadable=unreadable,
            motions=values["motions"][:ROWS_LIMIT],
            more_motions=max(0, len(values["motions"]) - ROWS_LIMIT),
            scores=[(h.name, bars(h)) for h in scores],
            histograms=[(h.name, bars(h)) for h in summary.histograms if any(h.counts)],
            failures=summary.failures[:ROWS_LIMIT],
            more_failures=max(0, len(summary.failures) - ROWS_LIMIT),
            timeline=columns_of_time(stats.throughput, stats.bucket_seconds, COLUMNS_OF_TIME),
            config=_cut(config, CONFIG_LIMIT),
            limit=TEXT_LIMIT,
        )
    )


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return text[:most] + "\n..."


def _yaml(values: Mapping[str, Any]) -> str:
    import yaml

    if values:
        return str(yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=100))
    return ""
