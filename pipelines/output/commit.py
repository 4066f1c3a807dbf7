"""The commit that makes a task done, right with any number of attempts at once and on every runner.

An attempt writes its shards under names of its own (``tmp/ATTEMPT/000.tar``). Its record is then created
exclusively: the one attempt whose record is there counts, and the others remove what they made. Last, the
shards of that attempt move to their final names. The record names the attempt, so whoever comes next can
finish the moves: another attempt at the task, the end of the job, or a later run. A file under a shard's
final name is therefore always the one that the record describes.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pipelines.output.aside import withdraw_aside
from pipelines.output.folder import Output
from pipelines.output.listing import Listing, list_temporary
from pipelines.output.record import Record
from pipelines.output.records import RecordHead, done_tasks, find_head, with_true_sizes, withdraw
from schemas.manifest import ShardRow
from storage.remote.conditional import create_exclusively
from storage.write import move_file, remove_empty_folder, remove_listed, remove_tree

MOVES_AT_ONCE = 16  # each waits for its store most of the time


class LostShardError(OSError):
    """A shard that its record describes is under neither of its names."""


@dataclass(frozen=True)
class Attempt:
    """One attempt at a task: whole shards under temporary names, and the record that describes them."""

    name: str  # of its folder below `Output.tmp`
    record: Record


def new_attempt(task: int) -> str:
    """A name that no other attempt has."""
    return f"{task:05d}-{uuid.uuid4().hex}"


def task_of_attempt(name: str) -> int | None:
    """The task of an attempt's folder; None for the other things in `Output.tmp`."""
    task, dash, rest = name.partition("-")
    if dash and len(rest) == 32 and task.isascii() and task.isdigit():
        return int(task)
    return None


def part_path(output: Output, attempt: str, part: int) -> str:
    """The temporary name of an attempt's shard."""
    return output.tmp(attempt, f"{part:03d}.tar")


def commit(output: Output, attempt: Attempt) -> bool:
    """Make the attempt the one that counts, unless another does, and finish that one's moves.

    May be cut off anywhere, and run again. Returns whether this attempt counts. Raises OSError if the output
    cannot be written or a shard is missing; the attempt's shards then stay, for whoever comes next.
    """
    record = attempt.record
    if create_exclusively(output.record_path(record.task), record.to_bytes(attempt.name)):
        try:
            _move_parts(output, RecordHead(attempt.name, record.shards))
        except LostShardError:  # this worker outlived its job, and the shards were cleaned up
            withdraw(output, record.task, attempt.name)
            raise
        return True
    head = find_head(output, record.task)
    if head is None:  # the other attempt has withdrawn its record since
        return commit(output, attempt)
    _move_parts(output, head)
    if head.attempt == attempt.name:
        return True
    remove_tree(output.tmp(attempt.name))
    return False


def is_done(output: Output, task: int) -> bool:
    """Is there a record of the task? If so, its moves are finished, in case its attempt was killed before.

    A record whose shards are gone is removed: its attempt outlived a job whose files were cleaned up.
    """
    head = find_head(output, task)
    if head is None:
        return False
    try:
        _move_parts(output, head)
    except LostShardError:
        withdraw(output, task, head.attempt)
        return False
    return True


def settle_all(output: Output, listing: Listing) -> None:
    """Finish the moves of every attempt that counts and was killed before it had moved its shards.

    Reads the records of the tasks that have attempts in the listing, which is brought up to date.
    """
    attempts = [
        (name, parts) for name, parts in listing.attempts().items() if task_of_attempt(name) in listing.done
    ]
    if not attempts:
        return
    with ThreadPoolExecutor(MOVES_AT_ONCE) as pool:
        for moved in pool.map(lambda attempt: _settle_attempt(output, *attempt), attempts):
            listing.shards.update({row.shard: row.bytes for row in moved})


def _settle_attempt(output: Output, name: str, parts: Sequence[int]) -> list[ShardRow]:
    """Move these shards of an attempt, if it counts. Returns their rows."""
    task = task_of_attempt(name)
    assert task is not None  # noqa: S101 - the names were filtered
    head = find_head(output, task)
    if head is None or head.attempt != name:
        return []
    _move_parts(output, head, parts)
    return [row for part, row in enumerate(head.shards) if part in parts]


def _move_parts(output: Output, head: RecordHead, parts: Sequence[int] | None = None) -> None:
    """Move shards to their final names: all of them, or those of `parts`."""
    if not head.attempt:
        return  # the record of an earlier version, which moved its shards first
    for part, row in enumerate(head.shards):
        if parts is None or part in parts:
            temporary, final = part_path(output, head.attempt, part), output.path(row.shard)
            try:
                # With the size, a move that somebody else has made is no error.
                move_file(temporary, final, row.bytes)
            except FileNotFoundError:
                if with_true_sizes(output, (row,)) != (row,):
                    continue  # the record's size is wrong, and the shard whole
                raise LostShardError(
                    f"{final}: neither it nor {temporary} is there with {row.bytes} bytes; run the job again"
                ) from None
    remove_empty_folder(output.tmp(head.attempt))


def clean(output: Output) -> None:
    """Remove what attempts left behind, after the moves of those that count.

    Only under the lock of the output.
    """
    listing = list_temporary(output)
    if listing.attempts():
        listing.done = done_tasks(output)
        settle_all(output, listing)
    remove_temporary(output, listing)


def remove_temporary(output: Output, listing: Listing) -> None:
    """Remove the temporary files that were listed. Only under the lock of the output, after `settle_all`.

    Tasks that a job set aside before it failed or was killed lose their records.
    """
    withdraw_aside(output, listing)
    remove_listed(output.tmp(), listing.temporary)
    listing.temporary.clear()
