"""A question about the rows of an output: conditions that all hold, and an order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preview.report.measures import MEASURES, raised
from schemas.errors import ConfigError
from schemas.manifest import SAMPLES_FILE
from storage.tables import iter_batches

TEXT_MOST = 500  # characters of a condition
SORTED_MOST = 5_000_000  # rows that are put in order in memory
RANDOM = "random"
NUMBER = r"-?\d{1,15}(?:\.\d{1,12})?"
RANGE = re.compile(rf"({NUMBER})?:({NUMBER})?")
NAMES = ("caption", "motion", "source")


@dataclass(frozen=True)
class Query:
    """Conditions that all hold at once; "" means any."""

    caption: str = ""  # a part of the caption, without regard to case
    motion: str = ""  # one part of a composition, or the whole name; after "=" the whole name alone
    source: str = ""  # exactly
    ranges: tuple[tuple[str, float | None, float | None], ...] = ()  # measure, at least, below
    sort: str = ""  # a measure, "-" before it for the largest first; RANDOM; "" is the order of the table

    @classmethod
    def read(cls, values: Mapping[str, str]) -> Query:
        """Read the query of a request. Raises ConfigError for a malformed range or order."""
        ranges = [(name, *_range(name, values[name])) for name in MEASURES if values.get(name)]
        sort = values.get("sort", "")
        if sort not in ("", RANDOM) and sort.removeprefix("-") not in MEASURES:
            raise ConfigError(f"sort = {sort[:40]!r}: it must be one of {RANDOM}, {', '.join(MEASURES)}")
        texts = {name: values.get(name, "")[:TEXT_MOST] for name in NAMES}
        return cls(**texts, ranges=tuple(ranges), sort=sort)

    @property
    def by(self) -> str:
        """The measure of the order; "" for none."""
        if self.sort == RANDOM:
            return ""
        return self.sort.removeprefix("-")

    def columns(self) -> list[str]:
        """Return the columns that the answer needs."""
        measures = [name for name, _, _ in self.ranges]
        if self.by:
            measures.append(self.by)
        needed = {name for name in NAMES if getattr(self, name)}
        return sorted(needed.union(*(MEASURES[name].columns for name in measures)))


def _range(name: str, text: str) -> tuple[float | None, float | None]:
    found = RANGE.fullmatch(text)
    if found is None:
        raise ConfigError(f"{name} = {text[:40]!r}: write LOW:HIGH, such as 1.2:1.3, :1.1 or 6:")
    low, high = (None if end is None else float(end) for end in found.groups())
    return low, high


def find_rows(uri: str, query: Query, rows: int) -> np.ndarray:
    """Return the positions of the matching rows of an output, int64 [N], in the order of the query.

    `rows` is how many there are. Reads the columns that it needs. Raises ConfigError for too many rows to
    sort.
    """
    columns = query.columns()
    if not columns:
        positions = np.arange(rows)
        values = None
    else:
        positions, values = _scan(uri, query, columns)
    if not query.sort:
        return positions
    if len(positions) > SORTED_MOST:
        raise ConfigError(
            f"sort = {query.sort}: {len(positions):,} clips match; narrow them down to {SORTED_MOST:,} first"
        )
    if values is None:
        return np.random.default_rng(0).permutation(positions)
    return positions[_order(values, largest_first=query.sort.startswith("-"))]


def _order(values: np.ndarray, *, largest_first: bool) -> np.ndarray:
    """Sort stably; NaN comes last in both directions."""
    if largest_first:
        values = -values
    return np.argsort(values, kind="stable")


def _scan(uri: str, query: Query, columns: list[str]) -> tuple[np.ndarray, np.ndarray | None]:
    found, values, start = [], [], 0
    for batch in iter_batches(uri, SAMPLES_FILE, columns=columns, batch_rows=65536):
        keep = np.flatnonzero(_kept(batch, query))
        found.append(keep + start)
        if query.by:
            values.append(MEASURES[query.by].values(batch)[keep])
        start += batch.num_rows
    positions = np.concatenate([np.zeros(0, np.int64), *found])
    if query.by:
        return positions, np.concatenate([np.zeros(0), *values])
    return positions, None


def _kept(batch: pa.RecordBatch, query: Query) -> np.ndarray:
    keep = np.ones(batch.num_rows, bool)
    for name in NAMES:
        if getattr(query, name):
            keep &= _holds(batch[name], name, getattr(query, name))
    for name, low, high in query.ranges:
        values = raised(MEASURES[name].values(batch))
        keep &= np.isfinite(values)
        if low is not None:
            keep &= values >= low
        if high is not None:
            keep &= values < high
    return keep


def _holds(values: pa.Array, name: str, wanted: str) -> np.ndarray:
    if name == "caption":
        hits = pc.match_substring(values, wanted, ignore_case=True)
    elif name == "motion" and wanted.startswith("="):
        hits = pc.equal(values, wanted[1:])
    elif name == "motion" and not set(wanted) & set("+>|"):
        hits = pc.match_substring_regex(values, rf"(^|[+>|]){re.escape(wanted)}([+>|]|$)")
    else:
        hits = pc.equal(values, wanted)
    return np.asarray(pc.fill_null(hits, False).to_numpy(zero_copy_only=False), bool)
