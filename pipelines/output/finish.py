"""The end of a job: put the parts of the tables in their places, and write the manifest and the pages.

Usually the workers have folded the records into parts (`pipelines.output.tables`); the parts that they have
not folded are folded here first. The end reads the heads of the parts only. Every file is written under a
temporary name and moved, the manifest last, so that a kill leaves whole files.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any

import pyarrow as pa
import yaml

from pipelines.output.commit import settle_all
from pipelines.output.folder import Output
from pipelines.output.listing import Listing, list_output
from pipelines.output.lost import forget_tasks, lost_shards, said_lost, whole_by_record
from pipelines.output.pages.about import DatasetConfig
from pipelines.output.pages.croissant import croissant_json
from pipelines.output.pages.facts import Facts
from pipelines.output.pages.indexes import sizes_json, wids_json
from pipelines.output.pages.readme import readme_md
from pipelines.output.retries import read_retries
from pipelines.output.tables.fold import ROW_GROUP, TableFile, fold_part
from pipelines.output.tables.parts import (
    Head,
    Part,
    TaskCount,
    forget_parts,
    plan_parts,
    read_heads,
    tasks_per_part,
)
from pipelines.output.tables.places import find_rows, has_tables, is_complete, place_rows
from schemas.errors import ConfigError, JobError
from schemas.manifest import MANIFEST, MANIFEST_FILE, SAMPLES_FILE, ShardRow
from schemas.text import counted
from schemas.version import VERSION
from schemas.yaml_text import YamlError, read_yaml
from storage.read import read_bytes, sha256_of
from storage.tables import read_manifest
from storage.write import move_file, remove_file, remove_tree, write_bytes

FINISHED = "finished.json"  # the state of an output whose tables and pages are up to date
SAY_SECONDS = 10.0  # between lines on the folding of many parts
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Totals:
    """The content of the whole output, over every run that added to it."""

    tasks: int
    inputs: int
    written: int
    failed: int
    bytes: int  # of all shards
    reasons: Mapping[str, int] = field(default_factory=dict)
    shards: tuple[ShardRow, ...] = ()

    @property
    def off_by(self) -> int:
        """Inputs that are neither written nor failed. Anything but 0 is an error."""
        return self.inputs - self.written - self.failed


def finish(
    output: Output,
    config: Mapping[str, Any],
    *,
    published: str,
    listing: Listing | None = None,
    seen: Callable[[TaskCount], None] = lambda count: None,
) -> Totals:
    """Write every table and page but the report, which also needs the measurements of the run.

    `config` is the resolved config as plain values, `published` an ISO date for croissant.json. `listing` is
    of this moment, if the caller has one. `seen` is called with the counts of every task. Raises OSError that
    names the path (disk full, not writable), and JobError if shards were deleted; then no file is
    half-written under a final name.
    """
    if listing is None:
        listing = list_output(output)
    settle_all(output, listing)
    size, retries = tasks_per_part(config), read_retries(output, listing.retries)
    parts = plan_parts(listing.done, retries, size)
    heads, lost = _fold(output, parts, listing, size)
    shards = _shards_of(heads)
    if lost:
        again = forget_tasks(output, listing, lost, retries, size)
        raise JobError(f"output {output.uri}: {said_lost(again)}; run the same command again")
    for head in heads:
        for count in head.tasks:
            seen(count)
    totals = _add_up(heads, shards)
    folder = output.tmp(f"finish-{uuid.uuid4().hex[:8]}")
    _write_manifest(f"{folder}/{MANIFEST_FILE}", shards)
    facts = _facts(output, config, totals, _sha256_of_samples(output, listing, parts))
    for name, data in _pages(facts, published).items():
        write_bytes(output.path(name), data)
    place_rows(output, listing, parts)
    move_file(f"{folder}/{MANIFEST_FILE}", output.path(MANIFEST_FILE))
    remove_tree(folder)
    counts = {name: value for name, value in asdict(totals).items() if name != "shards"}
    output.write_state(FINISHED, counts)
    return totals


def finished_totals(output: Output, config: Mapping[str, Any], listing: Listing) -> Totals | None:
    """The totals of an output whose tables and pages are all there and up to date, else None."""
    if not has_tables(listing) or not is_described(output, config):
        return None
    try:
        totals = output.read_state_as(FINISHED, Totals)
    except ConfigError:  # a damaged one is written again
        totals = None
    if totals is None:
        return None
    return replace(totals, shards=tuple(read_manifest(output.uri)))


def forget_finished(output: Output) -> None:
    """Note that tables and pages are no longer up to date, before tasks are made."""
    remove_file(output.state(FINISHED))


def is_described(output: Output, config: Mapping[str, Any]) -> bool:
    """Do the pages say what the `dataset` section of this config says? Those of earlier versions do not."""
    if "dataset" not in config:
        return True
    try:
        written = read_yaml(read_bytes(output.path("config.yaml")))
    except (FileNotFoundError, YamlError):
        return False
    return isinstance(written, dict) and written.get("dataset") == config["dataset"]


def fold_missing(output: Output, parts: Sequence[Part], listing: Listing) -> None:
    """Fold the parts that the workers have not folded, one after another."""
    missing = [part for part in parts if not is_complete(output, part, listing)]
    said = time.monotonic()
    for number, part in enumerate(missing, 1):
        fold_part(output, part)
        if time.monotonic() - said > SAY_SECONDS:
            said = time.monotonic()
            LOG.info(f"{number} of {counted(len(missing), 'part')} of the tables folded")
    listing.parts |= {name for part in missing for name in part.files()}


def _facts(output: Output, config: Mapping[str, Any], totals: Totals, samples_sha256: str | None) -> Facts:
    return Facts(
        folder=output.uri.rstrip("/").rsplit("/", 1)[-1],
        config=config,
        shards=totals.shards,
        samples=totals.written,
        failed=totals.failed,
        reasons=totals.reasons,
        version=VERSION,
        samples_sha256=samples_sha256,
        about=DatasetConfig.make(config.get("dataset") or {}),
    )


def _sha256_of_samples(output: Output, listing: Listing, parts: Sequence[Part]) -> str | None:
    """Of samples.parquet. None if the samples are a folder of files."""
    if len(parts) != 1:
        return None
    path = find_rows(output, listing, parts[0], SAMPLES_FILE)
    if path is None:
        return None
    return sha256_of(path)


def _write_manifest(path: str, shards: Sequence[ShardRow]) -> None:
    rest = iter(shards)
    with TableFile(path, MANIFEST) as table:
        while rows := list(islice(rest, ROW_GROUP)):
            table.append(pa.Table.from_pylist([asdict(row) for row in rows], MANIFEST))


def _pages(facts: Facts, published: str) -> dict[str, bytes]:
    return {
        "sizes.json": sizes_json(facts.shards),
        "wids.json": wids_json(facts.folder, facts.shards),
        "config.yaml": yaml.safe_dump(dict(facts.config), sort_keys=False, allow_unicode=True).encode(),
        "README.md": readme_md(facts),
        "croissant.json": croissant_json(facts, published=published),
    }


def _fold(output: Output, parts: Sequence[Part], listing: Listing, size: int) -> tuple[list[Head], set[int]]:
    """The heads of all parts, and the tasks whose shards are not all there."""
    fold_missing(output, parts, listing)
    heads = read_heads(output, parts)
    lost = lost_shards(output, listing, _shards_of(heads))
    whole = whole_by_record(output, listing, lost)
    if whole:  # a size was wrong, in the part or in its record
        forget_parts(output, listing, whole, size)
        fold_missing(output, parts, listing)
        heads = read_heads(output, parts)
    return heads, lost - whole


def _shards_of(heads: Sequence[Head]) -> tuple[ShardRow, ...]:
    return tuple(row for head in heads for row in head.shards)


def _add_up(heads: Sequence[Head], shards: tuple[ShardRow, ...]) -> Totals:
    reasons: Counter[str] = Counter()
    for head in heads:
        reasons.update(head.reasons)
    counts = [count for head in heads for count in head.tasks]
    return Totals(
        tasks=len(counts),
        inputs=sum(count.inputs for count in counts),
        written=sum(count.written for count in counts),
        failed=sum(count.failed for count in counts),
        bytes=sum(row.bytes for row in shards),
        reasons=dict(sorted(reasons.items(), key=lambda found: (-found[1], found[0]))),
        shards=shards,
    )
