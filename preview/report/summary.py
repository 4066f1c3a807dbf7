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

from preview.report.measures import MEASURES, bin_counts
from schemas.manifest import FAILURES_FILE, MANIFEST_FILE, SAMPLES_FILE
from storage.tables import has_table, iter_batches

EXAMPLES_A_REASON = 3
MOST_NAMES = 200  # distinct motions, sources or reasons that are counted apart; the rest count as "(other)"
OTHER = "(other)"


@dataclass(frozen=True)
class Histogram:
    """Counts between fixed edges; the last bin also holds everything above."""

    name: str
    edges: tuple[float, ...]  # lower edges
    counts: tuple[int, ...]  # as many as edges
    whole: bool = False  # all values are whole numbers, and so are the edges


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
    counts = {name: np.zeros(len(measure.edges), np.int64) for name, measure in MEASURES.items()}
    samples = 0
    columns = sorted(
        {"motion", "source", "frames", "width", "height"}.union(*(m.columns for m in MEASURES.values()))
    )
    for batch in iter_batches(output, SAMPLES_FILE, columns=columns):
        samples += batch.num_rows
        _count(motions, batch["motion"])
        _count(sources, batch["source"])
        _count(sizes, _clip_size(batch))
        for name, measure in MEASURES.items():
            counts[name] += bin_counts(measure.values(batch), measure.edges)
    failures = _failures(output)
    return Summary(
        shards=shards,
        samples=samples,
        bytes=total,
        failed=sum(f.count for f in failures),
        motions=dict(motions.most_common()),
        sources=dict(sources.most_common()),
        clip_sizes=dict(sizes.most_common(20)),
        histograms=tuple(
            Histogram(name, measure.edges, tuple(int(c) for c in counts[name]))
            for name, measure in MEASURES.items()
        ),
        failures=failures,
    )


def _count(counter: Counter[str], values: pa.Array) -> None:
    for row in pc.value_counts(values).to_pylist():
        name = row["values"] or "(none)"
        if name not in counter and len(counter) >= MOST_NAMES:
            name = OTHER
        counter[name] += row["counts"]


def _clip_size(batch: pa.RecordBatch) -> pa.Array:
    parts = (pc.fill_null(batch[name].cast(pa.string()), "?") for name in ("frames", "width", "height"))
    frames, width, height = parts
    return pc.binary_join_element_wise(pc.binary_join_element_wise(frames, width, " frames of "), height, "x")


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
