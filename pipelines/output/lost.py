"""Take back the records of tasks whose shards were deleted or cut off, so that the next run makes them
again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from tarfile import RECORDSIZE

from pipelines.output.folder import Output, shard_name
from pipelines.output.records import done_tasks, find_head, iter_retry_tasks
from schemas.manifest import MANIFEST_FILE, ShardRow
from storage.find import file_sizes, list_names
from storage.read import file_exists, read_bytes
from storage.tables import read_manifest
from storage.write import remove_file, write_bytes

READS_AT_ONCE = 32


def forget_lost(output: Output) -> list[int]:
    """Take back the records of tasks whose shards are not all there with their sizes. Returns those tasks, in
    order.

    A task of the plan takes its retries with it, because it makes their inputs again. This takes one listing
    of the output, and the manifest if the output is finished. Otherwise it reads the records of suspicious
    tasks only. No shard is read; that is what `zoetrope validate` does.
    """
    there = file_sizes(output.uri, ".tar")
    done = done_tasks(output)
    lost = {row.task for row in _shards(output, there, done) if there.get(row.shard) != row.bytes} & done
    retries = list(iter_retry_tasks(output)) if lost else []
    undone = lost | {row["index"] for row in retries if row["origin"] in lost}
    for task in sorted(
        undone, reverse=True
    ):  # retries first: a cut-off call leaves the task to be found again
        if task not in lost:
            _forget(output, task)
    if any(row["origin"] in lost for row in retries):
        _drop_retries(output, lost)
    for task in sorted(lost):
        _forget(output, task)
    return sorted(undone)


def _shards(output: Output, there: Mapping[str, int], done: set[int]) -> Iterable[ShardRow]:
    """The shards to compare with the listing: those of the manifest, or of suspicious tasks."""
    if output.read_state("finished.json") is not None and file_exists(output.path(MANIFEST_FILE)):
        return read_manifest(output.uri)
    tasks = sorted(_suspicious(there, done))
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        heads = list(pool.map(lambda task: find_head(output, task), tasks))
    return chain.from_iterable(head.shards for head in heads if head is not None)


def _suspicious(there: Mapping[str, int], done: set[int]) -> set[int]:
    """Tasks whose record has to be read to know whether their shards are whole.

    A whole shard is a multiple of a tar's record of 10,240 bytes. A task without a shard, and one with
    several, says nothing by its names: its inputs may all have failed, or a further shard may be gone.
    """
    sizes = {task: there.get(shard_name(task), 0) for task in done}
    return {task for task, size in sizes.items() if size == 0 or size % RECORDSIZE}


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
