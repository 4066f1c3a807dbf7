"""The content of an output by names and sizes alone: one listing of everything.

A resume and the end of a job learn from it which tasks are done and which shards are there. It also shows
which attempts were killed before their moves, and which parts of the tables are up to date.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipelines.output.folder import STATE, Output, task_of
from schemas.manifest import FAILURES_FILE, MANIFEST_FILE, SAMPLES_FILE
from storage.folders import iter_below

TABLES = (MANIFEST_FILE, SAMPLES_FILE, FAILURES_FILE)
PAGES = (
    "sizes.json",
    "wids.json",
    "config.yaml",
    "README.md",
    "croissant.json",
    "report.html",
    "report.json",
    "metrics.prom",
)
FINISHED = f"{STATE}/finished.json"
TABLE_FOLDERS = ("samples", "failures")
TEMPORARY = "/".join((STATE, "tmp", ""))


@dataclass
class Listing:
    """The names of an output, sorted into their kinds. Whoever changes the output keeps it up to date."""

    shards: dict[str, int] = field(default_factory=dict)  # name -> bytes
    done: set[int] = field(default_factory=set)  # tasks that have a record
    temporary: dict[str, int] = field(default_factory=dict)  # path below `Output.tmp` -> bytes
    parts: set[str] = field(default_factory=set)  # names of folded parts, see `pipelines.output.tables.parts`
    retries: list[str] = field(default_factory=list)  # names of the files of retry plans
    inputs: list[str] = field(default_factory=list)  # names of the files of marks, see `output.growth`
    files: set[str] = field(default_factory=set)  # other files, by their paths below the output
    empty: set[str] = field(default_factory=set)  # paths below the output of all files without a byte

    def attempts(self) -> dict[str, list[int]]:
        """Attempt -> numbers of its shards that are still under temporary names."""
        found: dict[str, list[int]] = {}
        for path in self.temporary:
            attempt, slash, name = path.partition("/")
            stem = name.removesuffix(".tar")
            if slash and name.endswith(".tar") and stem.isdigit():
                found.setdefault(attempt, []).append(int(stem))
        return found


def list_output(output: Output) -> Listing:
    """List an output, whole. Raises OSError."""
    listing = Listing()
    for path, size in iter_below(output.uri):
        _sort_in(listing, path, size)
    listing.retries.sort()
    listing.inputs.sort()
    return listing


def is_finished(listing: Listing) -> bool:
    """Did a run write the tables, and is nothing changed since?"""
    return FINISHED in listing.files


def list_temporary(output: Output) -> Listing:
    """List the temporary files alone. Raises OSError."""
    return Listing(temporary=dict(iter_below(output.tmp())))


def _sort_in(listing: Listing, path: str, size: int) -> None:
    folder, _, name = path.rpartition("/")
    if not size:
        listing.empty.add(path)
    if folder == f"{STATE}/records":
        task = task_of_record(name)
        if task is not None:
            listing.done.add(task)
    elif not folder and task_of(name) is not None:
        listing.shards[name] = size
    elif folder == f"{STATE}/parts":
        listing.parts.add(name)
    elif folder == f"{STATE}/retries":
        listing.retries.append(name)
    elif folder == f"{STATE}/inputs":
        listing.inputs.append(name)
    elif path.startswith(TEMPORARY):
        listing.temporary[path.removeprefix(TEMPORARY)] = size
    elif not folder or folder in (STATE, *TABLE_FOLDERS):
        listing.files.add(path)


def part_of_table(path: str) -> int | None:
    """The part whose rows a file of a table holds (``samples/00003.parquet``); None for any other path."""
    folder, _, name = path.rpartition("/")
    if folder not in TABLE_FOLDERS:
        return None
    return task_of_record(name)


def task_of_record(name: str) -> int | None:
    """The task of a record, by its file's name."""
    stem = name.removesuffix(".parquet")
    if stem != name and stem.isascii() and stem.isdigit():
        return int(stem)
    return None
