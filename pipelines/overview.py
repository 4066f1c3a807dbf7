"""An output at a glance, from its tables alone: what it holds, and why inputs failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.output.tables.agree import agreed_manifest
from schemas.errors import ConfigError
from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from storage.scores import filter_of, scores_of
from storage.tables import has_table, iter_batches, iter_rows, read_manifest

COUNTED = {"motion": "motions", "source": "sources", "frames": "frames"}  # column -> field of `Overview`
READ = (*COUNTED, "caption", "width", "height", "zoom", "scores")


@dataclass(frozen=True)
class FailureGroup:
    """The failed inputs of one reason, with one of them as an example."""

    stage: str
    reason: str
    count: int
    key: str
    detail: str
    url: str | None
    filter: str = ""  # that dropped the inputs; "" for any other reason


@dataclass(frozen=True)
class Spread:
    """Five numbers of a distribution."""

    least: float
    quarter: float
    median: float
    three_quarters: float
    most: float

    @classmethod
    def of(cls, values: np.ndarray) -> Spread | None:
        """Of some values; None for no values."""
        if not len(values):
            return None
        return cls(*(float(value) for value in np.percentile(values, (0, 25, 50, 75, 100))))


@dataclass
class Overview:
    """The content of an output, counted."""

    shards: int = 0
    samples: int = 0
    bytes: int = 0
    failed: int = 0
    shard_samples: Spread | None = None
    shard_bytes: Spread | None = None
    caption_characters: Spread | None = None
    captions_repeated: int = 0  # samples whose caption came before
    zoom: Spread | None = None  # 1: the whole picture
    motions: dict[str, int] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    frames: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)  # by "224x224", width first
    scores: dict[str, Spread] = field(default_factory=dict)  # of the samples, by filter
    dropped: dict[str, int] = field(default_factory=dict)  # inputs that a filter dropped, by filter


def failure_groups(output: str, reason: str | None = None) -> list[FailureGroup]:
    """The failures of an output by reason, most frequent first; with `reason`, each failure of it alone.

    Inputs that were filtered count by their filter.

    Raises ConfigError for what is no finished output.
    """
    rows = _rows(output)
    if reason is not None:
        return [_group(row, 1) for row in rows if row["reason"] == reason]
    first: dict[tuple[str, str, str], dict[str, Any]] = {}
    counts: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        name = row["stage"], row["reason"], filter_of(row["reason"], row["detail"])
        first.setdefault(name, row)
        counts[name] += 1
    return [_group(first[name], count) for name, count in counts.most_common()]


def overview(output: str) -> Overview:
    """Read the tables of an output.

    Raises ConfigError for what is no finished output, and TableError for tables that disagree.
    """
    manifest = agreed_manifest(output)
    found = Overview(len(manifest), sum(row.samples for row in manifest), sum(row.bytes for row in manifest))
    found.shard_samples = Spread.of(np.array([row.samples for row in manifest]))
    found.shard_bytes = Spread.of(np.array([row.bytes for row in manifest]))
    lengths: list[np.ndarray] = []
    zooms: list[np.ndarray] = []
    scores: dict[str, list[np.ndarray]] = {}
    seen: set[int] = set()  # hashes of captions: 10 million take 0.6 GB
    for batch in iter_batches(output, SAMPLES_FILE, columns=READ):
        _count(found, batch)
        lengths.append(pc.utf8_length(batch["caption"]).to_numpy(zero_copy_only=False))
        zooms.append(batch["zoom"].to_numpy(zero_copy_only=False))
        for name, values in scores_of(batch).items():
            scores.setdefault(name, []).append(values)
        for caption in batch["caption"].to_pylist():
            number = hash(caption)
            found.captions_repeated += number in seen
            seen.add(number)
    if lengths:
        found.caption_characters = Spread.of(np.concatenate(lengths))
        zoom = np.concatenate(zooms)
        found.zoom = Spread.of(zoom[np.isfinite(zoom) & (zoom > 0)])
    for name, parts in sorted(scores.items()):
        spread = Spread.of(np.concatenate(parts))
        if spread is not None:
            found.scores[name] = spread
    for row in _rows(output):
        found.failed += 1
        if name := filter_of(row["reason"], row["detail"]):
            _add(found.dropped, name, 1)
    return found


def _count(found: Overview, batch: pa.RecordBatch) -> None:
    for column, name in COUNTED.items():
        for entry in pc.value_counts(batch[column]).to_pylist():
            _add(getattr(found, name), str(entry["values"]), entry["counts"])
    sizes = zip(batch["width"].to_pylist(), batch["height"].to_pylist(), strict=True)
    for (width, height), count in Counter(sizes).items():
        _add(found.sizes, f"{width}x{height}", count)


def _add(counts: dict[str, int], name: str, count: int) -> None:
    counts[name] = counts.get(name, 0) + count


def _rows(output: str) -> Iterator[dict[str, Any]]:
    _check(output)
    if has_table(output, FAILURES_FILE):
        return iter_rows(output, FAILURES_FILE)
    return iter(())


def _check(output: str) -> None:
    """Raise ConfigError if there is no manifest, which a job writes at its end."""
    try:
        read_manifest(output)
    except FileNotFoundError as error:
        raise ConfigError(str(error)) from None


def _group(row: dict[str, Any], count: int) -> FailureGroup:
    dropped_by = filter_of(row["reason"], row["detail"])
    url = row["url"] or None
    return FailureGroup(
        stage=row["stage"],
        reason=row["reason"],
        count=count,
        key=row["key"],
        detail=row["detail"],
        url=url,
        filter=dropped_by,
    )
