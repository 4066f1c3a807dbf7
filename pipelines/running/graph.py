"""The Beam part of every job that writes shards: one stage makes a task and commits it.

See `pipelines.output.commit`. `WriteShards` works in a larger pipeline as well as alone. The elements that
move are tasks (references) and numbers of tasks that are done; image bytes never leave the worker that made
them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.utils.windowed_value import WindowedValue

from pipelines.making.config import ShardConfig
from pipelines.making.maker import Interruptible, Maker
from pipelines.making.task import Done, make_task, output_error
from pipelines.output.commit import commit, is_done
from pipelines.output.folder import Output
from pipelines.output.records import read_record
from pipelines.running.failing import FailingTasks
from pipelines.running.health import process_health
from pipelines.running.watch.signals import find_signals
from schemas.errors import SickWorkerError, StoppedError
from schemas.records import Reason, Task
from storage.login import get_options, set_options
from storage.ordered import Window

LOG = logging.getLogger(__name__)
NAMESPACE = "zoetrope"


@dataclass(frozen=True)
class JobSpec:
    """The settings of a job that its stages need. Small and picklable."""

    output: str  # folder or URI
    fingerprint: str  # of the config that makes the bytes
    shard: ShardConfig
    signals: str | None = None  # name of the submitter's Signals, if the job runs in its process
    tasks_at_once: int = 2  # per worker: while one task ends, the next already keeps the cores busy
    # Beam's resource hint of the make stage, e.g. type:nvidia-l4;count:1;install-nvidia-driver.
    accelerator: str | None = None
    replaceable: bool = False  # the runner replaces a worker process that ends
    retries: bool = False  # the runner tries a bundle again that failed, in another process
    max_failed_tasks: int | None = 0  # that are set aside before the job fails; None: one in a hundred
    stores: Mapping[str, Mapping[str, Any]] = field(default_factory=get_options)  # scheme -> its options


class MakeShards(beam.PTransform):
    """Tasks -> the indexes of tasks that are done: shards and record under their final names."""

    def __init__(self, maker: Maker, spec: JobSpec, *, spread: bool = True) -> None:
        """`spread` spreads the tasks over the workers first. Leave it out if they are spread already."""
        super().__init__()
        self._maker, self._spec, self._spread = maker, spec, spread

    def expand(self, tasks: beam.PCollection[Task]) -> beam.PCollection[int]:
        """Make and commit each task."""
        make = beam.ParDo(_Make(self._maker, self._spec)).with_output_types(int)
        if self._spec.accelerator is not None:
            make = make.with_resource_hints(accelerator=self._spec.accelerator)
        if self._spread:
            # Without a shuffle a runner fuses listing and making, and one worker makes all tasks that it
            # lists.
            tasks = tasks | "Spread" >> beam.Reshuffle()
        return tasks | "Make" >> make


class WriteShards(beam.PTransform):
    """Tasks -> ``{"manifest", "samples", "failures"}``: what was written and what failed, as dicts.

    The rows have the columns of `schemas.manifest`. `maker` says how a task becomes samples.
    """

    def __init__(self, maker: Maker, spec: JobSpec) -> None:
        super().__init__()
        self._maker, self._spec = maker, spec

    def expand(self, tasks: beam.PCollection[Task]) -> dict[str, beam.PCollection[dict[str, Any]]]:
        """`MakeShards`, then the rows of each record."""
        done = tasks | "Shards" >> MakeShards(self._maker, self._spec)
        rows = done | "Rows" >> beam.ParDo(_Rows(self._spec)).with_outputs("manifest", "samples", "failures")
        return {"manifest": rows.manifest, "samples": rows.samples, "failures": rows.failures}


class _Make(beam.DoFn):
    """Makes several tasks at a time in threads, so that the end of one does not leave cores idle."""

    def __init__(self, maker: Maker, spec: JobSpec) -> None:
        self._maker, self._spec = maker, spec

    def setup(self) -> None:
        set_options(self._spec.stores)
        self._maker.setup()
        self._output = Output(self._spec.output)
        self._signals = find_signals(self._spec.signals)
        if isinstance(self._maker, Interruptible):
            self._signals.when_interrupted(self._maker.interrupt)
        self._pool = ThreadPoolExecutor(self._spec.tasks_at_once, thread_name_prefix="task")
        self._running: Window[tuple[Any, Any], Done] = Window(calls=self._spec.tasks_at_once)
        self._abort = threading.Event()
        self._failing = FailingTasks(
            self._output, self._maker, self._spec.fingerprint, self._spec.max_failed_tasks, self._spec.retries
        )

    def start_bundle(self) -> None:
        # Beam may reuse this instance after a bundle that failed; nobody takes that bundle's calls any more.
        self._running.cancel()
        self._abort.clear()

    def process(
        self, task: Task, window: Any = beam.DoFn.WindowParam, timestamp: Any = beam.DoFn.TimestampParam
    ) -> Iterator[int]:
        if self._is_done(task):
            yield task.index
            return
        # The index leaves with a later element or at the end of the bundle. It keeps this element's window
        # and time.
        self._running.add((window, timestamp), self._pool.submit(self._make, task))
        if self._running.full:
            yield self._next()[0]

    def finish_bundle(self) -> Iterator[WindowedValue]:
        while len(self._running):
            index, window, timestamp = self._next()
            yield WindowedValue(index, timestamp, (window,))

    def teardown(self) -> None:
        self._abort.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._maker.close()

    def _next(self) -> tuple[int, Any, Any]:
        try:
            (window, timestamp), done = self._running.take()
        except BaseException as error:
            if self._spec.replaceable and not isinstance(error, StoppedError):
                process_health().failed(beyond_hope=isinstance(error, SickWorkerError))
            self._abort.set()  # the other tasks end at their next sample
            self._running.cancel()
            raise
        if self._spec.replaceable and Reason.TASK_FAILED in done.reasons:
            process_health().failed()
        elif self._spec.replaceable:
            process_health().worked()
        _count(done)
        return done.attempt.record.task, window, timestamp

    def _is_done(self, task: Task) -> bool:
        """Did an earlier attempt finish the task? A runner restarts tasks after a loss."""
        try:
            return is_done(self._output, task.index)
        except OSError as error:
            raise output_error(error, self._output.uri) from error

    def _make(self, task: Task) -> Done:
        done = self._failing.make(task, self._watch, self._attempt)
        self._signals.count_reasons(done.reasons)
        return done

    def _attempt(self, task: Task, watch: Callable[[int, int], bool]) -> Done:
        done = make_task(
            task, self._maker, self._output, self._spec.shard, self._spec.fingerprint, watch=watch
        )
        try:
            commit(self._output, done.attempt)
        except OSError as error:
            raise output_error(error, self._output.uri) from error
        return done

    def _watch(self, written: int, failed: int) -> bool:
        self._signals.count(written, failed)
        return self._abort.is_set() or self._signals.stop_requested()


class _Rows(beam.DoFn):
    """The rows of a record, by table."""

    def __init__(self, spec: JobSpec) -> None:
        self._spec = spec

    def setup(self) -> None:
        set_options(self._spec.stores)

    def process(self, task: int) -> Iterator[beam.pvalue.TaggedOutput]:
        record = read_record(Output(self._spec.output), task)
        tables = {
            "manifest": [asdict(row) for row in record.shards],
            "samples": record.samples.to_pylist(),
            "failures": record.failures.to_pylist(),
        }
        for tag, rows in tables.items():
            for row in rows:
                yield beam.pvalue.TaggedOutput(tag, row)


def _count(done: Done) -> None:
    """Beam counters and distributions. Called from the bundle's own thread: Beam counts nowhere else."""
    Metrics.counter(NAMESPACE, "shards").inc(len(done.attempt.record.shards))
    Metrics.counter(NAMESPACE, "written").inc(done.written)
    Metrics.counter(NAMESPACE, "failed").inc(sum(done.reasons.values()))
    Metrics.counter(NAMESPACE, "bytes").inc(done.bytes)
    fields = {
        "task": done.attempt.record.task,
        "shards": [row.shard for row in done.attempt.record.shards],
        "written": done.written,
        "reasons": {str(reason): count for reason, count in done.reasons.items()},
        "seconds": round(done.seconds, 3),
    }
    LOG.debug("task %d done", fields["task"], extra={"fields": fields})
    for reason, count in done.reasons.items():
        Metrics.counter(NAMESPACE, f"failed_{reason}").inc(count)
    Metrics.distribution(NAMESPACE, "task_ms").update(int(1000 * done.seconds))
    for stage, values in done.stages.items():
        spread = Metrics.distribution(NAMESPACE, f"{stage}_us")
        for seconds in values:
            spread.update(int(1e6 * seconds))
