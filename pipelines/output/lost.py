"""Take back the records of tasks whose shards were deleted or cut off, so that the next run makes them again.

Other files that were emptied are removed.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from tarfile import RECORDSIZE

from pipelines.output.folder import STATE, Output, shard_name, task_of
from pipelines.output.listing import (
    FINISHED,
    PAGES,
    TABLES,
    Listing,
    is_finished,
    part_of_table,
    task_of_record,
)
from pipelines.output.records import corrected_head, find_head
from pipelines.output.retries import Retries, drop_retries
from pipelines.output.tables.parts import Part, forget_parts, read_heads
from schemas.manifest import MANIFEST_FILE, ShardRow
from schemas.text import counted, first_few
from storage.folders import list_names
from storage.read import file_size
from storage.tables import read_manifest
from storage.write import remove_file

READS_AT_ONCE = 32
RECORDS, PARTS = f"{STATE}/records", f"{STATE}/parts"
LOG = logging.getLogger(__name__)


def forget_lost(
    output: Output, listing: Listing, parts: Sequence[Part], retries: Retries, size: int
) -> list[int]:
    """Take back the records of tasks whose shards are not all there with their sizes.

    Returns those tasks, in order.

    A task of the plan takes its retries with it, because it makes their inputs again. The listing is compared
    with the manifest of a finished output, and with the heads of the parts that were folded. For other tasks
    its names and sizes decide, and a record is read only of a task without any shard. Of such a task with
    several shards, the last one is missed at the end of the job (`lost_shards`). No shard is read
    whose size is right; that is what `zoetrope validate` does. A task whose shards are those of its record is
    not lost, whatever the manifest says: then the manifest is damaged, and is made again.
    """
    if is_finished(listing) and MANIFEST_FILE in listing.files:
        rows: Iterable[ShardRow] = read_manifest(output.uri)
        unknown = set[int]()
    else:
        folded = [part for part in parts if part.is_folded(listing)]
        rows = chain.from_iterable(head.shards for head in read_heads(output, folded))
        unknown = listing.done.difference(*(part.numbers() for part in folded))
    differ = {row.task for row in rows if listing.shards.get(row.shard) != row.bytes} & listing.done
    whole = whole_by_record(output, listing, differ)
    if whole:
        _forget_tables(output, listing, whole, size)
    lost = (differ - whole) | _lost_by_name(output, listing, unknown)
    return forget_tasks(output, listing, lost, retries, size)


def whole_by_record(output: Output, listing: Listing, tasks: set[int]) -> set[int]:
    """The tasks whose shards are all there with the sizes of their records, or else with their SHA-256."""

    def is_whole(task: int) -> bool:
        head = corrected_head(output, task)
        return head is not None and bool(head.shards) and not lost_shards(output, listing, head.shards)

    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        order = sorted(tasks)
        return {task for task, whole in zip(order, pool.map(is_whole, order), strict=True) if whole}


def _forget_tables(output: Output, listing: Listing, tasks: set[int], size: int) -> None:
    """Remove a manifest that does not fit whole shards, and the parts of their tasks."""
    LOG.warning(
        f"{output.path(MANIFEST_FILE)} does not fit the shards of {counted(len(tasks), 'task')}, which are "
        "whole by their records; the tables are made again"
    )
    remove_file(output.state("finished.json"))
    remove_file(output.path(MANIFEST_FILE))
    listing.files.difference_update((FINISHED, MANIFEST_FILE))
    forget_parts(output, listing, tasks, size)


def _lost_by_name(output: Output, listing: Listing, tasks: set[int]) -> set[int]:
    """Tasks that lack a shard, as far as the listing shows it."""
    several: dict[int, list[int]] = {}
    broken = set()
    for name, size in listing.shards.items():
        task = task_of(name)
        if task is None or task not in tasks:
            continue
        number = re.search(r"-(\d+)\.tar$", name)
        if number:
            several.setdefault(task, []).append(int(number[1]))
        if size == 0 or size % RECORDSIZE:  # a whole tar is a multiple of its record of 10,240 bytes
            broken.add(task)
    broken |= {task for task, numbers in several.items() if len(numbers) <= max(numbers)}
    empty = sorted(task for task in tasks if shard_name(task) not in listing.shards and task not in several)
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        heads = pool.map(lambda task: find_head(output, task), empty)
        return broken | {task for task, head in zip(empty, heads, strict=True) if head and head.shards}


def lost_shards(output: Output, listing: Listing, rows: Iterable[ShardRow]) -> set[int]:
    """Tasks of shards that are not there with their sizes. A shard that the listing lacks is looked for."""
    missing = [row for row in rows if listing.shards.get(row.shard) != row.bytes]
    return {row.task for row in missing if file_size(output.path(row.shard)) != row.bytes}


def forget_tasks(output: Output, listing: Listing, lost: set[int], retries: Retries, size: int) -> list[int]:
    """Take back the records of tasks and of their retries. Returns all of them, in order."""
    if not lost:
        return []
    again = {retry for retry, origin in retries.pairs() if origin in lost}
    undone = lost | again
    remove_file(output.state("finished.json"))
    listing.files.discard(FINISHED)
    forget_parts(output, listing, undone, size)
    _remove_records(output, again - lost)  # first: a cut-off call leaves the task to be found again
    if again:
        drop_retries(output, lost)
        listing.retries = sorted(list_names(output.state("retries")))
    _remove_records(output, lost)
    listing.done -= undone
    return sorted(undone)


def _remove_records(output: Output, tasks: Iterable[int]) -> None:
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        list(pool.map(lambda task: remove_file(output.record_path(task)), tasks))


def said_lost(lost: Sequence[int]) -> str:
    """The tasks whose shards are gone, in words."""
    return f"shards of {counted(len(lost), 'task')} are gone or cut off (task {first_few(lost)})"


def drop_emptied(output: Output, listing: Listing) -> None:
    """Remove the files that a power cut has emptied, where the job can write them again. Raises OSError.

    These are tables, pages, parts, records and the mark of a finished job; none of ours is ever empty. The
    tasks of removed records are made again.
    """
    gone = sorted(path for path in listing.empty if _is_made_again(path))
    if not gone:
        return
    named = first_few(gone)
    LOG.warning(
        f"{counted(len(gone), 'file')} without a byte, as a power cut leaves them, made again: {named}"
    )
    gone.append(FINISHED)  # the job is not done
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        list(pool.map(lambda path: remove_file(output.path(path)), gone))
    listing.files.difference_update(gone)
    listing.empty.difference_update(gone)
    for path in gone:
        folder, _, name = path.rpartition("/")
        if folder == PARTS:
            listing.parts.discard(name)
        elif folder == RECORDS:
            listing.done.discard(task_of_record(name) or 0)


def _is_made_again(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    if folder == RECORDS:
        return task_of_record(name) is not None
    return folder == PARTS or path in (*TABLES, *PAGES, FINISHED) or part_of_table(path) is not None
