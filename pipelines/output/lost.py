"""Take back the records of tasks whose shards were deleted or cut off, so that the next run makes them
again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import chain

from pipelines.output.folder import Output
from pipelines.output.records import done_tasks, iter_retry_tasks, read_head
from schemas.manifest import MANIFEST_FILE, ShardRow
from storage.find import file_sizes, list_names
from storage.read import file_exists, read_bytes
from storage.tables import read_manifest
from storage.write import remove_file, write_bytes


def forget_lost(output: Output) -> list[int]:
    """Take back the records of tasks whose shards are not all there with their sizes. Returns those tasks, in
    order.

    A task of the plan takes its retries with it, because it makes their inputs again. This takes one listing
    of the output, and the manifest if the output is finished, else the header of each record. No shard is
    read; that is what `zoetrope validate` does.
    """
    there = file_sizes(output.uri, ".tar")
    lost = {row.task for row in _shards(output) if there.get(row.shard) != row.bytes} & done_tasks(output)
    retries = list(iter_retry_tasks(output)) if lost else []
    undone = lost | {row["index"] for row in retries if row["origin"] in lost}
    for task in sorted(
        undone, reverse=True
    ):  # retries first: if this is cut off, the task is still found lost
        if task not in lost:
            _forget(output, task)
    if any(row["origin"] in lost for row in retries):
        _drop_retries(output, lost)
    for task in sorted(lost):
        _forget(output, task)
    return sorted(undone)


def _shards(output: Output) -> Iterable[ShardRow]:
    if output.read_state("finished.json") is not None and file_exists(output.path(MANIFEST_FILE)):
        return read_manifest(output.uri)
    return chain.from_iterable(read_head(output, task).shards for task in done_tasks(output))


def _forget(output: Output, task: int) -> None:
    remove_file(output.state("finished.json"))
    remove_file(output.record_path(task))


def _drop_retries(output: Output, origins: set[int]) -> None:
    """Rewrite the retry plans without the tasks of these origins."""
    for name in sorted(list_names(output.state("retries"))):
        if name.endswith(".jsonl"):
            path = output.state("retries", name)
            lines = read_bytes(path).splitlines(keepends=True)
            kept = [line for line in lines if json.loads(line)["origin"] not in origins]
            if not kept:
                remove_file(path)
            elif len(kept) < len(lines):
                write_bytes(path, b"".join(kept))
