"""Make one task: write the maker's samples into tars and a record, under temporary names of this attempt.

A task that was set aside gets a record of failures instead.
"""

from __future__ import annotations

import errno
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pyarrow as pa

from pipelines.making.config import ShardConfig
from pipelines.making.maker import Made, Maker, StageTimes
from pipelines.output.aside import placeholder
from pipelines.output.commit import Attempt, new_attempt, part_path
from pipelines.output.folder import Output, shard_name
from pipelines.output.record import RECORD, Record
from schemas.clip import scores_text
from schemas.errors import JobError, OutputError, StoppedError
from schemas.manifest import ShardRow
from schemas.records import Failure, Reason, Reference, Stage, Task
from schemas.text import one_line
from storage.shards.write import ShardWriter
from storage.write import NewFile, create_file, remove_tree

LIMITS = (
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EFBIG,
    errno.ENOSPC,
)  # no source is to blame for them
Inputs = Callable[[Task], Iterator[Reference | Failure]]


@dataclass(frozen=True)
class Done:
    """One task, made under temporary names: the attempt to commit, and what to count."""

    attempt: Attempt
    written: int
    bytes: int
    seconds: float
    reasons: Mapping[str, int]  # reason -> failures
    stages: Mapping[str, list[float]]  # stage -> seconds, one a sample


def make_task(
    task: Task,
    maker: Maker,
    output: Output,
    shard: ShardConfig,
    fingerprint: str,
    *,
    watch: Callable[[int, int], bool] = lambda written, failed: False,
) -> Done:
    """Make one task under temporary names.

    `watch(written, failed)` hears of every input and returns whether to stop.

    Raises JobError (output cannot be written, source gone), StoppedError. Whatever it raises, its temporary
    files are gone.
    """
    start, times = time.monotonic(), StageTimes()
    attempt = new_attempt(task.index)
    shards = _Shards(output, attempt, task.index, shard)
    rows: list[dict[str, Any]] = []
    reasons: dict[str, int] = {}
    try:
        for item in _from_source(maker.make(task, times)):
            if isinstance(item, Failure):
                reasons[item.reason] = reasons.get(item.reason, 0) + 1
                rows.append(failed_row(item))
            else:
                with times.timed("write"):
                    part = _writing(output, shards.write, item)
                    written = {"status": "written", "key": item.key, "part": part, "bytes": item.size}
                    rows.append({**item.row, **written})
            if watch(int(not isinstance(item, Failure)), int(isinstance(item, Failure))):
                raise StoppedError("stopped")
        made = _writing(output, shards.close)
        record = _record(task, fingerprint, rows, made, _counters(times, time.monotonic() - start))
    except BaseException:
        shards.abandon()
        remove_tree(output.tmp(attempt))
        raise
    return Done(
        attempt=Attempt(attempt, record),
        written=sum(writer.samples for _, writer in made),
        bytes=sum(writer.bytes for _, writer in made),
        seconds=time.monotonic() - start,
        reasons=reasons,
        stages=times.seconds(),
    )


def _record(
    task: Task,
    fingerprint: str,
    rows: list[dict[str, Any]],
    made: Sequence[tuple[str, ShardWriter]],
    counters: Mapping[str, float],
) -> Record:
    inputs, names = len(rows), [name for name, _ in made]
    if task.exact:
        inputs = inputs_of(task)
    for row in rows:
        row["task"] = task.index
        if row["status"] == "written":
            row["shard"] = names[row.pop("part")]
    shards = tuple(_shard_row(name, writer, fingerprint, task.index) for name, writer in made)
    return Record(
        task=task.index,
        fingerprint=fingerprint,
        inputs=inputs,
        rows=pa.Table.from_pylist(rows, schema=RECORD),
        shards=shards,
        counters=counters,
    )


def inputs_of(task: Task) -> int:
    """How many inputs a task has: of a retry only the keys that it makes again."""
    if task.keys is None:
        return task.samples
    return len(task.keys)


@dataclass
class _Shards:
    """The tars of one task: a new one where the next sample would outgrow the caps."""

    output: Output
    attempt: str
    task: int
    caps: ShardConfig
    writers: list[ShardWriter] = field(default_factory=list)
    stream: NewFile | None = None

    def write(self, made: Made) -> int:
        """Append a sample; returns the number of its tar among those of the task."""
        if self.stream is None or self._full(len(made.tar)):
            self._next()
        self.writers[-1].append(made.key, made.tar)
        return len(self.writers) - 1

    def close(self) -> list[tuple[str, ShardWriter]]:
        """End the last tar; the final names, known only now."""
        self._end()
        if len(self.writers) == 1:
            return [(shard_name(self.task), self.writers[0])]
        return [(shard_name(self.task, part), writer) for part, writer in enumerate(self.writers)]

    def abandon(self) -> None:
        """Let go of the open file, whatever state it is in."""
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.discard()

    def _full(self, size: int) -> bool:
        writer = self.writers[-1]
        # The cap holds for the file, with the zero blocks and the padding that `ShardWriter.close` adds.
        ended = writer.bytes + size + 1024
        ended += -ended % tarfile.RECORDSIZE
        return writer.samples >= self.caps.max_samples or (writer.samples > 0 and ended > self.caps.max_bytes)

    def _next(self) -> None:
        self._end()
        self.stream = create_file(part_path(self.output, self.attempt, len(self.writers)))
        self.writers.append(ShardWriter(self.stream))

    def _end(self) -> None:
        if self.stream is not None:
            self.writers[-1].close()
            stream, self.stream = self.stream, None
            stream.close()


def _from_source(items: Iterator[Made | Failure]) -> Iterator[Made | Failure]:
    """The same items; a source that has gone, or a limit of this machine, ends the job with its own line."""
    try:
        yield from items
    except OSError as error:
        if error.errno in LIMITS:
            raise JobError(
                f"this machine is at a limit: {one_line(error)}; raise it (`ulimit -a` lists them) or set "
                "workers lower, and run the same command again"
            ) from error
        raise JobError(
            f"the source cannot be read on: {one_line(error)}; put it back and run the same command again"
        ) from error


def _writing(output: Output, call: Callable[..., Any], *args: Any) -> Any:
    try:
        return call(*args)
    except OSError as error:
        raise output_error(error, output.uri) from error


def output_error(error: OSError, path: str) -> OutputError:
    """A failure to write, as one line that says what to do."""
    text = one_line(error)
    where = ""
    if path not in text:
        where = f"{path}: "
    return OutputError(
        f"the output cannot be written: {where}{text}; make room or fix the permission, then run the same "
        f"command again"
    )


def failed_record(task: Task, maker: Maker, fingerprint: str, error: Exception) -> Record:
    """A record with one failure per input of the task.

    The keys are those of the inputs. If they cannot be read, each input that the plan counts gets a
    placeholder; a task whose plan only estimates them gets one for all.
    """
    failures = _failures(task, maker, one_line(error))
    rows = [{**failed_row(failure), "task": task.index} for failure in failures]
    return Record(task.index, fingerprint, len(rows), pa.Table.from_pylist(rows, schema=RECORD))


def _failures(task: Task, maker: Maker, detail: str) -> list[Failure]:
    def failed(key: str, url: str | None = None) -> Failure:
        return Failure(key, Stage.TASK, Reason.TASK_FAILED, detail, url)

    if task.keys is not None:
        return [failed(key) for key in task.keys]
    inputs: Inputs = getattr(maker, "inputs", lambda task: iter(()))
    most = None
    if task.exact:
        most = task.samples
    found: list[Failure] = []
    try:
        for item in islice(inputs(task), most):
            if not isinstance(item, Failure):
                item = failed(item.key, item.url)
            found.append(item)
    except Exception:  # the source is often what fails
        found.clear()
    if found and (not task.exact or len(found) == task.samples):
        return found
    count = 1
    if task.exact:
        count = task.samples
    return [failed(placeholder(task.index, number)) for number in range(count)]


def failed_row(item: Failure) -> dict[str, Any]:
    """A failure as a row of a record."""
    return {
        "status": "failed",
        "key": item.key,
        "stage": item.stage.value,
        "reason": item.reason.value,
        "detail": item.detail,
        "url": item.url,
        "scores": scores_text(item.scores),
    }


def _shard_row(name: str, writer: ShardWriter, fingerprint: str, task: int) -> ShardRow:
    return ShardRow(
        shard=name,
        samples=writer.samples,
        bytes=writer.bytes,
        sha256=writer.sha256,
        first_key=writer.first_key,
        last_key=writer.last_key,
        fingerprint=fingerprint,
        task=task,
    )


def _counters(times: StageTimes, seconds: float) -> dict[str, float]:
    spent = {f"{stage}_ms": round(1000 * sum(values), 3) for stage, values in sorted(times.seconds().items())}
    return {**spent, "seconds": round(seconds, 3)}
