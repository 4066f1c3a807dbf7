"""The machinery of every job on Beam: any number of workers, any order; counters; a larger pipeline."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
import grpc
import pytest
from apache_beam.testing.util import assert_that, equal_to
from tiny_job import ListenersSeen, TinyMaker, listening, tiny_job, tiny_tasks

from pipelines.making.config import ShardConfig
from pipelines.output.folder import Output
from pipelines.output.records import done_tasks
from pipelines.running.engine import choose_runner
from pipelines.running.graph import JobSpec, MakeShards, WriteShards
from pipelines.running.pipeline import READER, PipelineRun, job_error
from pipelines.running.submit import run_job
from schemas.errors import ConfigError, JobError
from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from storage.shards.read import iter_shard
from storage.tables import iter_rows, read_manifest


def run(output: Path, job=None, *, workers=1, beam_args=(), **settings):
    return run_job(
        job or tiny_job(), Output(str(output)), workers=workers, overwrite=settings.get("overwrite", False),
        max_failure_ratio=settings.get("max_failure_ratio", 1.0), beam_args=beam_args,
    )  # fmt: skip


def shards(output: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in output.glob("*.tar")}


def leftovers(output: Path) -> list[str]:
    return [
        str(p)
        for p in output.rglob("*")
        if "tmp" in p.relative_to(output).parts or p.name in ("lock",) or ".part" in p.name
    ]


def test_one_source_three_ways_gives_the_same_bytes(tmp_path):
    maker = TinyMaker(fails=4)
    run(tmp_path / "one", tiny_job(6, 5, maker=maker))
    run(tmp_path / "many", tiny_job(6, 5, maker=maker), workers=4)
    threads = ["--direct_running_mode=multi_threading", "--direct_num_workers=2"]
    result = run(
        tmp_path / "threads", tiny_job(6, 5, maker=maker, reverse=True), workers=2, beam_args=threads
    )
    assert result.runner == "direct runner, 2 workers"
    assert shards(tmp_path / "one") == shards(tmp_path / "many") == shards(tmp_path / "threads")
    assert len(shards(tmp_path / "one")) == 6
    tables = [[*iter_rows(str(tmp_path / name), SAMPLES_FILE)] for name in ("one", "many", "threads")]
    assert tables[0] == tables[1] == tables[2]
    assert [row["key"] for row in tables[0]] == [f"tiny-{n:06d}" for n in range(30) if n % 4]


def test_worker_processes_of_beams_own_are_refused(tmp_path):
    processes = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    with pytest.raises(ConfigError, match=r"multi_processing has no use here.*workers=N"):
        run(tmp_path / "out", workers=2, beam_args=processes)
    assert not (tmp_path / "out").exists()


def test_the_result_counts_and_beam_counts_the_same(tmp_path):
    result = run(tmp_path, tiny_job(4, 5, maker=TinyMaker(fails=5)))
    assert (result.written, result.failed, result.totals.inputs, result.exit_code) == (16, 4, 20, 0)
    assert result.totals.reasons == {"timeout": 4}
    counters = result.counters
    assert (counters["written"], counters["failed"], counters["failed_timeout"], counters["shards"]) == (
        16,
        4,
        4,
        4,
    )
    assert counters["bytes"] == sum(row.bytes for row in read_manifest(str(tmp_path)))
    assert counters["task_ms_max"] >= 0
    assert counters["write_us_mean"] > 0
    assert [row["key"] for row in iter_rows(str(tmp_path), FAILURES_FILE)] == [
        f"tiny-{n:06d}" for n in (0, 5, 10, 15)
    ]
    assert not leftovers(tmp_path)


@pytest.mark.parametrize(("allowed", "code"), [(0.2, 0), (0.19, 1)])
def test_too_many_failures_are_exit_code_1(tmp_path, allowed, code):
    assert (
        run(tmp_path, tiny_job(4, 5, maker=TinyMaker(fails=5)), max_failure_ratio=allowed).exit_code == code
    )


class Forgetful(TinyMaker):
    """Loses an input."""

    def make(self, task, times):
        for number, item in enumerate(super().make(task, times)):
            if number != 2:
                yield item


def test_lost_inputs_are_noticed(tmp_path):
    from zoetrope.jobs import summary

    result = run(tmp_path, tiny_job(3, 5, maker=Forgetful()))
    assert (result.totals.off_by, result.exit_code) == (3, 1)
    assert "off by 3: 15 inputs, but 12 written + 0 failed" in summary(result, None)


class OutOfFiles(TinyMaker):
    """Meets the limit of open files of its process."""

    def make(self, task, times):
        yield from super().make(task, times)
        raise OSError(errno.EMFILE, "Too many open files")


def test_a_limit_of_the_machine_is_not_the_fault_of_the_source(tmp_path):
    with pytest.raises(
        JobError, match=r"this machine is at a limit: .*Too many open files; raise it \(`ulimit"
    ):
        run(tmp_path / "out", tiny_job(1, 2, maker=OutOfFiles()))


def test_a_source_that_vanishes_is_one_line_and_a_later_run_goes_on(tmp_path):
    source, output = tmp_path / "source", tmp_path / "out"
    job = tiny_job(4, 5, maker=TinyMaker(gone=str(source)))
    with pytest.raises(
        JobError, match=r"the source cannot be read on: .*source: no such file; put it back"
    ) as error:
        run(output, job)
    assert "\n" not in str(error.value)
    assert not shards(output)
    assert not leftovers(output)
    source.touch()
    assert run(output, job).written == 20


def test_the_direct_runner_opens_no_port(tmp_path):
    before = listening(os.getpid())  # of other tests in this process
    run(tmp_path, tiny_job(2, 1, maker=ListenersSeen()))
    samples = [sample for path in tmp_path.glob("*.tar") for sample in iter_shard(str(path))]
    assert [set(sample.members["txt"].decode().split()) - before for sample in samples] == [set(), set()]


@dataclass(frozen=True)
class FailsAtTheEnd(TinyMaker):
    """The source of the last task has gone, and the maker notices late."""

    def make(self, task, times):
        if task.index == 19:
            time.sleep(1)
            raise OSError("gs://x: 503 after two minutes of retries")
        yield from super().make(task, times)


def test_a_job_that_fails_near_its_end_keeps_what_was_made(tmp_path):
    output = Output(str(tmp_path))
    spec = JobSpec(str(tmp_path), "f" * 16, ShardConfig())
    choice = choose_runner([], 1)
    pipeline = beam.Pipeline(runner=choice.runner, options=choice.options)
    _ = pipeline | beam.Create(tiny_tasks(20, 5)) | MakeShards(FailsAtTheEnd(), spec)
    with pytest.raises(Exception, match="503"):
        pipeline.run().wait_until_finish()
    kept = len(done_tasks(output))
    assert kept >= 17, "all but the task that fails and those that were under way with it"
    assert len(shards(tmp_path)) == kept


def test_a_shard_that_cannot_be_moved_is_one_line_in_the_first_attempt_and_in_the_next(tmp_path):
    (tmp_path / "00001.tar").mkdir()
    spec = JobSpec(str(tmp_path), "f" * 16, ShardConfig())
    for _ in range(2):  # the second attempt finds the record of the first
        choice = choose_runner([], 1)
        pipeline = beam.Pipeline(runner=choice.runner, options=choice.options)
        _ = pipeline | beam.Create(tiny_tasks(2, 5)) | MakeShards(TinyMaker(), spec)
        with pytest.raises(Exception, match=r"00001\.tar") as raised:
            pipeline.run().wait_until_finish()
        assert str(job_error(raised.value)).startswith("the output cannot be written")


def test_it_stands_in_a_larger_pipeline(tmp_path):
    """Tasks from anywhere in; manifest, samples and failures out, as PCollections."""
    spec = JobSpec(str(tmp_path), "f" * 16, ShardConfig())
    runner = choose_runner((), 1)
    with beam.Pipeline(runner=runner.runner, options=runner.options) as pipeline:
        tasks = pipeline | beam.Create(tiny_tasks(3, 5))
        written = tasks | WriteShards(TinyMaker(fails=5), spec)
        shard_names = written["manifest"] | "Names" >> beam.Map(lambda row: row["shard"])
        failed = written["failures"] | "Failed" >> beam.Map(lambda row: (row["key"], row["reason"]))
        count = written["samples"] | beam.combiners.Count.Globally()
        assert_that(shard_names, equal_to(["00000.tar", "00001.tar", "00002.tar"]), "manifest")
        assert_that(failed, equal_to([(f"tiny-{n:06d}", "timeout") for n in (0, 5, 10)]), "failures")
        assert_that(count, equal_to([12]), "samples")
    assert len(shards(tmp_path)) == 3
    assert sorted(done_tasks(Output(str(tmp_path)))) == [0, 1, 2]


def test_the_default_runner_is_named_and_downloads_nothing():
    from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

    choice = choose_runner((), 4)
    assert isinstance(choice.runner, FnApiRunner)
    assert (choice.workers, choice.is_local) == (4, True)
    other = choose_runner(["--runner=FlinkRunner", "--flink_master=host:8081"], None)
    assert (other.runner, other.is_local, other.workers) == ("FlinkRunner", False, None)
    assert other.options.get_all_options()["flink_master"] == "host:8081"


@pytest.mark.parametrize(
    "text",
    [
        "JobError: no room; do it again [while running 'Make']",
        "Traceback ...\npipelines.making.JobError: no room; do it again\n\n",
        "RuntimeError: bundle failed: 'pipelines.making.task.JobError: no room; do it again [while running "
        "x]\\n'",
    ],
)
def test_the_one_line_is_found_wherever_a_runner_hides_it(text):
    assert str(job_error(RuntimeError(text))) == "no room; do it again"


class _LostConnection:
    """A pipeline whose runner goes away: Beam's own thread notices after the caller."""

    def run(self):
        return self

    def wait_until_finish(self):
        def read():
            time.sleep(0.2)
            raise grpc.RpcError

        threading.Thread(target=read, name=READER).start()
        raise RuntimeError("the connection is lost")


def test_a_lost_connection_shows_no_traceback_of_beams_own_thread(monkeypatch):
    shown = []
    monkeypatch.setattr(threading, "excepthook", shown.append)
    run = PipelineRun(_LostConnection(), choose_runner([], 1, "cpu"))
    run.start()
    assert run.ended.wait(10)
    assert str(run.error) == "the connection is lost"
    time.sleep(0.3)
    assert not shown
