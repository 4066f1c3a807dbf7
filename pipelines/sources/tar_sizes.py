"""Plan tars by their sizes: estimate their samples, and make tasks of about a number of bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from typing import Any

from pipelines.sources.growth.tar_spans import TarSpan
from pipelines.sources.tar_groups import MAX_TEXT_BYTES
from schemas.records import Task
from storage.find import FileInfo, find
from storage.read import open_input
from storage.uris import join

TYPICAL_SAMPLE_BYTES = 40_000  # for an estimate where no file says the count
MOST_SAMPLES = 2**63  # a count in a file of statistics that is larger is no count


def tasks_of_size(
    spans: Iterable[TarSpan], estimates: Iterable[int], size: int, index: int
) -> Iterator[Task]:
    """Yield tasks of about `size` bytes of tars, in the order of the tars.

    A piece of a large tar reads it from its beginning and passes over the samples of other pieces. That costs
    bandwidth but little time, because making a sample takes far longer than reading past it. It needs no
    index, works on compressed tars, and gives every sample the key that it has in a task of its own.

    `estimates` are the samples of each tar. If one is wrong, the last piece of its tar is larger or smaller
    than the others; no sample is lost.
    """
    joined, samples, bytes_joined = list[dict[str, Any]](), 0, 0
    for span, count in zip(spans, estimates, strict=True):
        file, whole = span.file, span.payload()
        if joined and bytes_joined + file.size > size:
            yield _task(index, samples, joined)
            index, joined, samples, bytes_joined = index + 1, [], 0, 0
        if file.size <= size:
            joined.append(whole)
            samples, bytes_joined = samples + count, bytes_joined + file.size
            continue
        step = ceil(count / ceil(file.size / size))
        for first in range(0, count, step):
            stop = None
            if first + step < count:
                stop = first + step
            piece = {**whole, "first": first, "stop": stop}
            yield _task(index, min(step, count - first), [piece])
            index += 1
    if joined:
        yield _task(index, samples, joined)


def _task(index: int, samples: int, pieces: list[dict[str, Any]]) -> Task:
    if len(pieces) == 1:
        payload = pieces[0]
    else:
        payload = {"pieces": pieces}
    return Task(index, samples, payload, exact=False)


def estimate_samples(files: list[FileInfo]) -> Iterator[int]:
    """Estimate the samples of each tar: from img2dataset's ``NNNNN_stats.json``, else by size."""
    folders = {file.path.rpartition("/")[0] for file in files}
    stats = {file.path for folder in sorted(folders) for file in find(join(folder, "*_stats.json"))}

    def estimate(file: FileInfo) -> int:
        statistics = file.path.removesuffix(".tar") + "_stats.json"
        if statistics in stats and (count := _successes(statistics)) is not None:
            return count
        return max(1, file.size // TYPICAL_SAMPLE_BYTES)

    with ThreadPoolExecutor(16) as pool:  # small reads, slow on an object store one by one
        yield from pool.map(estimate, files)


def _successes(uri: str) -> int | None:
    with open_input(uri) as stream:
        try:
            values = json.loads(stream.read(MAX_TEXT_BYTES))
        except (ValueError, RecursionError):
            return None
    if not isinstance(values, dict):
        return None
    count = values.get("successes")
    if isinstance(count, int) and 0 < count < MOST_SAMPLES:
        return count
    return None
