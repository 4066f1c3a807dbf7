"""An output folder in the studio: filter a table of any length, page through it, and show single clips.

It reads only the parquet columns and row groups that a request needs, and only the shards whose clips are
shown.
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from dataclasses import asdict, dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np

from preview.report.page import TITLES, bars
from preview.report.summary import Summary, summarise
from preview.show.clips import load_frames, screen_webp
from preview.studio.outputs.query import Query, find_rows
from schemas.advice import advice_for
from schemas.errors import ConfigError
from schemas.manifest import SAMPLES_FILE
from storage.shards.access import ShardAccess
from storage.shards.read import ShardError
from storage.tables import count_rows, has_table, take_rows
from storage.uris import join

PAGE_MOST = 100  # rows
KEYS_MOST = 20_000  # of one request
PLACES_KEPT = 5000  # rows whose place is remembered
TEXT_MOST = 2000  # characters of a caption sent to the page
SHARD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.tar")


@dataclass
class OutputView:
    """One output folder. Its methods may run in several threads at once."""

    uri: str
    access: ShardAccess = field(default_factory=ShardAccess)
    # position -> shard, key of rows shown
    _places: OrderedDict[int, tuple[str, str]] = field(default_factory=OrderedDict)
    _matches: OrderedDict[Query, np.ndarray] = field(default_factory=OrderedDict)
    _lock: Any = field(default_factory=Lock)

    def __post_init__(self) -> None:
        if not has_table(self.uri, SAMPLES_FILE):
            raise ConfigError(
                f"{self.uri}: no {SAMPLES_FILE} there; "
                "give the output folder of a finished `zoetrope animate`"
            )

    @cached_property
    def rows(self) -> int:
        """The number of samples in the table."""
        return sum(self._counts)

    @cached_property
    def _counts(self) -> list[int]:
        """Samples of each file of the table."""
        return count_rows(self.uri, SAMPLES_FILE)

    @cached_property
    def summary(self) -> Summary:
        """Counts and histograms of the whole output. The tables are read once."""
        return summarise(self.uri)

    def overview(self) -> dict[str, Any]:
        """Return counts, histograms and failures as plain values."""
        summary = self.summary
        return {
            "shards": summary.shards,
            "samples": summary.samples,
            "bytes": summary.bytes,
            "failed": summary.failed,
            "motions": summary.motions,
            "sources": summary.sources,
            "clip_sizes": summary.clip_sizes,
            "histograms": [
                {"name": h.name, "title": TITLES[h.name], "bars": [asdict(b) for b in bars(h)]}
                for h in summary.histograms
            ],
            "failures": [asdict(f) | {"advice": str(advice_for(f.reason) or "")} for f in summary.failures],
        }

    def page(self, query: Query, start: int, count: int) -> dict[str, Any]:
        """Return `count` (1 to PAGE_MOST) matching rows from `start` on, and how many match in all."""
        positions = self.match(query)
        chosen = positions[max(0, start) : max(0, start) + min(max(1, count), PAGE_MOST)]
        return {"total": len(positions), "start": start, "rows": self.rows_at(chosen)}

    def rows_at(self, positions: np.ndarray) -> list[dict[str, Any]]:
        """Return the rows at up to PAGE_MOST positions (int64 [N]), in this order; none for unknown ones."""
        wanted = positions[(positions >= 0) & (positions < self.rows)][:PAGE_MOST]
        taken = {row["position"]: row for row in self._take(np.unique(wanted))}
        rows = [taken[int(position)] for position in wanted]
        with self._lock:  # the page asks for their clips next, without reading the table again
            self._places.update({row["position"]: (row["shard"], row["key"]) for row in rows})
            while len(self._places) > PLACES_KEPT:
                self._places.popitem(last=False)
        for row in rows:
            row["caption"] = (row["caption"] or "")[:TEXT_MOST]
            row["url"] = (row["url"] or "")[:TEXT_MOST]
        return rows

    def keys(self, query: Query) -> dict[str, Any]:
        """Return the keys and positions of all matching rows. Raises ConfigError for over KEYS_MOST."""
        positions = np.sort(self.match(query))
        if len(positions) > KEYS_MOST:
            raise ConfigError(
                f"{len(positions):,} clips match; narrow them down to {KEYS_MOST:,} to tag all of them"
            )
        found = take_rows(self.uri, SAMPLES_FILE, positions, counts=self._counts, columns=["key"])
        return {"keys": [row["key"] for row in found], "positions": positions.tolist()}

    def match(self, query: Query) -> np.ndarray:
        """Return the positions of the matching rows in order. Those of the last few queries are kept."""
        with self._lock:
            if query in self._matches:
                self._matches.move_to_end(query)
                return self._matches[query]
        positions = find_rows(self.uri, query, self.rows)
        with self._lock:
            self._matches[query] = positions
            while len(self._matches) > 8:
                self._matches.popitem(last=False)
        return positions

    def clip(self, position: int, *, still: bool = False) -> bytes:
        """Return the clip of the row at a position in the table, or its first frame, as WebP."""
        shard, key = self._place(position)
        return screen_webp(*load_frames(self.access.read(self._shard(shard), key)), still=still)

    def details(self, position: int) -> dict[str, Any]:
        """Return KEY.json of the row at a position, with its quads and captions."""
        shard, key = self._place(position)
        return {
            **asdict(self.access.read(self._shard(shard), key).meta()),
            "shard": shard,
            "position": position,
        }

    def _place(self, position: int) -> tuple[str, str]:
        """Shard and key of the row at a position."""
        with self._lock:
            known = self._places.get(position)
        if known is not None:
            return known
        if not 0 <= position < self.rows:
            raise ShardError(f"{self.uri}: has no sample {position}; it has {self.rows}")
        row = self._take(np.array([position]))[0]
        return row["shard"], row["key"]

    def _shard(self, name: str) -> str:
        """Return the address of a shard.

        Table and folder may be foreign: neither names nor links may lead out of the folder.
        """
        if not SHARD_NAME.fullmatch(name or ""):
            raise ShardError(
                f"{self.uri}: {SAMPLES_FILE} names the shard {name!r}, which is no file name of a shard"
            )
        uri = join(self.uri, name)
        if "://" not in uri and os.path.dirname(os.path.realpath(uri)) != os.path.realpath(self.uri):
            raise ShardError(f"{uri}: leads out of the folder")
        return uri

    def _take(self, positions: np.ndarray) -> list[dict[str, Any]]:
        """Read the rows at ascending positions, each with its `position`, from their row groups alone."""
        rows = take_rows(self.uri, SAMPLES_FILE, positions, counts=self._counts)
        return [{**row, "position": int(position)} for row, position in zip(rows, positions, strict=True)]
