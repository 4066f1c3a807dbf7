"""The plans of `zoetrope retry`: tasks after the last one, each for the failures of one task of the plan.

  _zoetrope/retries/00012000.jsonl           a line per task: the fields of a Task, and its `origin`
  _zoetrope/retries/00012000.origins.json    runs of [task, origin, length]; missing in old outputs

A plan holds the key of every failure, so it is only ever read line by line. Which task repeats which is in
the small file.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from pipelines.output.folder import Number, Output
from schemas.errors import ConfigError
from schemas.json_text import read_json, read_json_as
from schemas.text import one_line
from storage.folders import list_names
from storage.read import MAX_JSON, open_uri, read_bytes
from storage.write import create_file, move_file, remove_file, write_bytes

PLAN, ORIGINS = ".jsonl", ".origins.json"
MOST_TASKS = 10_000_000  # that the plans of an output may repeat; more is a damaged file
Run = tuple[int, int, int]  # (retry, task that it repeats, length): both count up


@dataclass(frozen=True)
class Retries:
    """Which task of the plan each retry repeats."""

    runs: tuple[Run, ...] = ()

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Yield (retry, origin), in order of the retries."""
        for retry, origin, length in self.runs:
            yield from zip(range(retry, retry + length), range(origin, origin + length), strict=True)

    def by_part(self, done: Collection[int], size: int) -> dict[int, tuple[Run, ...]]:
        """Part -> the finished retries that answer failures of its tasks. A part holds `size` tasks.

        A failure of a retry is answered by later retries of the same origin, so these are in the retry's part
        too.
        """
        of_origin: dict[int, list[int]] = {}
        for retry, origin in self.pairs():
            if retry in done:
                of_origin.setdefault(origin, []).append(retry)
        pairs: dict[int, list[tuple[int, int]]] = {}
        for origin, retries in of_origin.items():
            for part in {number // size for number in (origin, *retries)}:
                pairs.setdefault(part, []).extend((retry, origin) for retry in retries)
        return {part: tuple(to_runs(sorted(found))) for part, found in pairs.items()}


def to_runs(pairs: Iterable[tuple[int, int]]) -> Iterator[Run]:
    """Join (retry, origin) pairs that count up together."""
    first: tuple[int, int] | None = None
    length = 0
    for retry, origin in pairs:
        if first is not None and (retry, origin) == (first[0] + length, first[1] + length):
            length += 1
            continue
        if first is not None:
            yield (*first, length)
        first, length = (retry, origin), 1
    if first is not None:
        yield (*first, length)


def read_retries(output: Output, names: Collection[str] | None = None) -> Retries:
    """Read which task each retry repeats. `names` are the files of the plans, if they were listed already.

    Raises OSError, and ConfigError that names a damaged plan.
    """
    if names is None:
        names = list_names(output.state("retries"))
    return Retries(tuple(chain.from_iterable(_runs_of(output, names, plan) for plan in _plans(names))))


def plan_files(output: Output) -> list[str]:
    """Paths of the retry plans, in task order."""
    return [output.state("retries", name) for name in _plans(list_names(output.state("retries")))]


def plans_left(output: Output, done: Collection[int]) -> list[str]:
    """Paths of the retry plans with a task that is not done, in task order."""
    names = list_names(output.state("retries"))
    runs = {plan: Retries(tuple(_runs_of(output, names, plan))) for plan in _plans(names)}
    return [
        output.state("retries", plan)
        for plan, retries in runs.items()
        if any(retry not in done for retry, _ in retries.pairs())
    ]


def rows_of_plan(path: str) -> Iterator[dict[str, Any]]:
    """Yield the lines of one plan. Raises ConfigError that names it if it is damaged."""
    with open_uri(path) as stream:
        for number, line in enumerate(stream, 1):
            try:
                row = read_json(line)
                if not all(type(row[name]) is int and row[name] >= 0 for name in ("index", "origin")):
                    raise ValueError("index and origin must be numbers of tasks")
            except (ValueError, KeyError, TypeError) as error:
                raise ConfigError(
                    f"{path}: line {number} is damaged: {one_line(error)}; remove the file to plan the "
                    "retry again"
                ) from None
            yield row


def write_plan(output: Output, name: str, rows: Iterable[dict[str, Any]]) -> int:
    """Write a plan line by line, whole or not at all. Returns the number of its tasks.

    A plan without tasks has no file.
    """
    temporary = output.tmp(f"{name}{PLAN}")
    pairs: list[tuple[int, int]] = []
    with create_file(temporary) as stream:
        for row in rows:
            stream.write(json.dumps(row).encode() + b"\n")
            pairs.append((row["index"], row["origin"]))
    if not pairs:
        remove_file(temporary)
        return 0
    origins = output.state("retries", name + ORIGINS)
    remove_file(origins)  # a kill must not leave the new plan with the origins of the old one
    move_file(temporary, output.state("retries", name + PLAN))
    write_bytes(origins, json.dumps(list(to_runs(pairs))).encode())
    return len(pairs)


def drop_retries(output: Output, origins: Collection[int]) -> None:
    """Rewrite the plans without the tasks that repeat one of these."""
    for path in plan_files(output):
        name = path.rpartition("/")[2].removesuffix(PLAN)
        kept = [pair for pair in _pairs_of_plan(path) if pair[1] not in origins]
        if not kept:
            remove_file(path)
            remove_file(output.state("retries", name + ORIGINS))
        else:
            write_plan(output, name, (row for row in rows_of_plan(path) if row["origin"] not in origins))


def _plans(names: Collection[str]) -> list[str]:
    return sorted(name for name in names if name.endswith(PLAN))


def _runs_of(output: Output, names: Collection[str], plan: str) -> list[Run]:
    origins = plan.removesuffix(PLAN) + ORIGINS
    if origins not in names:
        return list(to_runs(_pairs_of_plan(output.state("retries", plan))))
    path = output.state("retries", origins)
    try:
        runs = read_json_as(list[tuple[Number, Number, Number]], read_bytes(path, MAX_JSON))
        if sum(length for _, _, length in runs) > MOST_TASKS:
            raise ValueError(f"it speaks of over {MOST_TASKS:,} tasks")
    except ValueError as error:
        raise ConfigError(
            f"{path}: damaged: {one_line(error)}; remove it and run the command again"
        ) from None
    return list(runs)


def _pairs_of_plan(path: str) -> Iterator[tuple[int, int]]:
    return ((row["index"], row["origin"]) for row in rows_of_plan(path))
