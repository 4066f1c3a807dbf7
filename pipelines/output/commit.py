"""The commit that makes a task done: its shards and its record get their final names."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.output.folder import Output
from storage.read import file_exists, file_size
from storage.uris import join
from storage.write import move_file, remove_tree

RECORD_FILE = "record.parquet"  # in an attempt's folder; written last


@dataclass(frozen=True)
class Attempt:
    """A task made under temporary names, to be committed. Small: it passes the checkpoint between make and commit."""

    task: int
    folder: str  # of its temporary files
    parts: tuple[tuple[str, int], ...]  # (final name, bytes) of 000.tar, 001.tar, ... in `folder`


def commit(output: Output, attempt: Attempt) -> bool:
    """Move an attempt's shards to their final names, then its record. May run twice, or be cut off anywhere.

    Returns whether this call (rather than an earlier one) made the task done. Raises OSError if files are missing.
    """
    final = output.record_path(attempt.task)
    if file_exists(final):
        remove_tree(attempt.folder)
        return False
    for part, (name, size) in enumerate(attempt.parts):
        temporary, target = join(attempt.folder, f"{part:03d}.tar"), output.path(name)
        if file_exists(temporary):
            move_file(temporary, target)
        elif file_size(target) != size:
            raise OSError(
                f"{target}: neither it nor {temporary} is there with {size} bytes; run the job again"
            )
    move_file(join(attempt.folder, RECORD_FILE), final)
    remove_tree(attempt.folder)
    return True
