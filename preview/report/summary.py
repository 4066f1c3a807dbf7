"""An output folder in numbers: counts by motion and source, histograms, failures by reason.

Streams; holds no table.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.manifest import FAILURES_FILE, MANIFEST_FILE, SAMPLES_FILE
from storage.tables import has_table, iter_batches

EXAMPLES_A_REASON = 3
MOST_NAMES = 200  # distinct motions, sources or reasons that are counted apart; the rest count as "(other)"
OTHER = "(other)"

EDGES = {
    "zoom": (1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2, 2.5, 3, 4, 6, 8),
    "short_side": (0, 64, 128, 192, 256, 320, 384, 448, 512, 640, 768, 1024, 1536, 2048, 4096),
    "aspect": (0, 0.5, 0.6, 0.7, 0.8, 0.95, 1.05, 1.25, 1.4, 1.6, 1.8, 2, 3),
    "caption_length": (0, 10, 20, 30, 40, 50, 60, 80, 100, 150, 200, 300, 500),
    "sample_bytes": tuple(1024 * k for k in (0, 8, 16, 32, 64, 128, 192, 256, 384, 512, 1024, 4096)),
}


@dataclass(frozen=True)
class Histogram:
    """Counts between fixed edges; the last bin also holds everything above."""

    name: str
    edges: tuple[float, ...]  # lower edges
    counts: tuple[int, ...]  # as many as edges


@dataclass(frozen=True)
class Reasoned:
    """The failures of one reason."""

    reason: str
    stage: str  # of the first example
    count: int
    examples: tuple[dict[str, Any], ...]  # key, stage, detail, url


@dataclass(frozen=True)
class Summary:
    """The content of an output in numbers."""

    shards: int
    samples: int
    bytes: int  # of all shards
    failed: int
    motions: dict[str, int]  # most frequent first
    sources: dict[str, int]
    clip_sizes: dict[str, int]  # "12 x 224x224" -> samples
    histograms: tuple[Histogram, ...] = field(default=())
    failures: tuple[Reasoned, ...] = field(default=())  # most frequent first


def summarise(output: str) -> Summary:
    """Read the three tables of an output folder (local or URI) once.

    A missing failures table counts as empty.
    """
    shards = total = 0
    if has_table(output, MANIFEST_FILE):
        for batch in iter_batches(output, MANIFEST_FILE, columns=["bytes"]):
            shards += batch.num_rows
            total += int(pc.sum(batch["bytes"]).as_py() or 0)
    motions, sources, sizes = Counter[str](), Counter[str](), Counter[str]()
    counts = {name: np.zeros(len(edges), np.int64) for name, edges in EDGES.items()}
    samples = 0
    columns = [
        "motion",
        "source",
        "caption",
        "zoom",
        "bytes",
        "frames",
        "width",
        "height",
        "original_width",
        "original_height",
    ]
    for batch in iter_batches(output, SAMPLES_FILE, columns=columns):
        samples += batch.num_rows
        _count(motions, batch["motion"])
        _count(sources, batch["source"])
        _count(sizes, _clip_size(batch))
        for name, values in _measures(batch).items():
            counts[name] += _bin(values, EDGES[name])
    failures = _failures(output)
    return Summary(
        shards=shards,
        samples=samples,
        bytes=total,
        failed=sum(f.count for f in failures),
        motions=dict(motions.most_common()),
        sources=dict(sources.most_common()),
        clip_sizes=dict(sizes.most_common(20)),
        histograms=tuple(Histogram(n, EDGES[n], tuple(int(c) for c in counts[n])) for n in EDGES),
        failures=failures,
    )


def _count(counter: Counter[str], values: pa.Array) -> None:
    for row in pc.value_counts(values).to_pylist():
        name = row["values"] or "(none)"
        counter[name if name in counter or len(counter) < MOST_NAMES else OTHER] += row["counts"]


def _clip_size(batch: pa.RecordBatch) -> pa.Array:
    parts = (pc.fill_null(batch[name].cast(pa.string()), "?") for name in ("frames", "width", "height"))
    frames, width, height = parts
    return pc.binary_join_element_wise(pc.binary_join_element_wise(frames, width, " frames of "), height, "x")


def _measures(batch: pa.RecordBatch) -> dict[str, np.ndarray]:
    width = _floats(batch["original_width"])
    height = _floats(batch["original_height"])
    with np.errstate(divide="ignore", invalid="ignore"):
        aspect = width / height
    return {
        "zoom": _floats(batch["zoom"]),
        "short_side": np.minimum(width, height),
        "aspect": aspect,
        "caption_length": _floats(pc.utf8_length(batch["caption"])),
        "sample_bytes": _floats(batch["bytes"]),
    }


def _floats(values: pa.Array) -> np.ndarray:
    return pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False)


def _bin(values: np.ndarray, edges: tuple[float, ...]) -> np.ndarray:
    known = values[np.isfinite(values)]
    # float32 zooms lie a hair under their edge: 1.2 is stored as 1.2000000477, 1.1 as 1.1000000238, but 1.3
    # as 1.2999999523
    where = np.searchsorted(np.asarray(edges, np.float64), known * (1 + 1e-7), side="right") - 1
    return np.bincount(where.clip(0), minlength=len(edges))


def _failures(output: str) -> tuple[Reasoned, ...]:
    if not has_table(output, FAILURES_FILE):
        return ()
    counts = Counter[str]()
    examples: dict[str, list[dict[str, Any]]] = {}
    columns = ["key", "stage", "reason", "detail", "url"]
    for batch in iter_batches(output, FAILURES_FILE, columns=columns):
        _count(counts, batch["reason"])
        for reason in pc.unique(batch["reason"]).to_pylist():
            kept = None
            if len(examples) < MOST_NAMES or str(reason) in examples:
                kept = examples.setdefault(str(reason), [])
            if kept is not None and len(kept) < EXAMPLES_A_REASON:
                rows = batch.filter(pc.equal(batch["reason"], reason)).slice(0, EXAMPLES_A_REASON - len(kept))
                kept.extend({k: v for k, v in row.items() if k != "reason"} for row in rows.to_pylist())
    return tuple(
        Reasoned(r, str(examples[r][0]["stage"]) if examples.get(r) else "", n, tuple(examples.get(r, ())))
        for r, n in counts.most_common()
    )
