"""Records and the commit: what makes a task done, whatever cuts it off."""

from __future__ import annotations

import os
import resource
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_job import TinyMaker, tiny_tasks

from pipelines.making.config import ShardConfig
from pipelines.making.maker import Made
from pipelines.making.task import make_task
from pipelines.output import commit as commit_module
from pipelines.output.commit import clean, commit, is_done, settle_all
from pipelines.output.folder import Output
from pipelines.output.listing import Listing, list_output
from pipelines.output.lost import forget_lost
from pipelines.output.prepare import _remove_strays
from pipelines.output.records import done_tasks, find_head, read_record
from pipelines.output.retries import Retries
from schemas.errors import JobError
from schemas.manifest import FAILURES, SAMPLES
from storage.shards.read import iter_shard
from storage.write import move_file, remove_tree


def made(
    output: Output, task: int = 3, *, samples: int = 6, shard: ShardConfig | None = None, fails: int = 3
):
    todo = tiny_tasks(task + 1, samples)[task]
    return make_task(todo, TinyMaker(fails=fails), output, shard or ShardConfig(), "f" * 16)


def files_of(output: Output) -> set[str]:
    root = Path(output.uri)
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}


def test_a_task_becomes_its_shard_and_record(tmp_path):
    output = Output(str(tmp_path))
    done = made(output)
    assert not {name for name in files_of(output) if "tmp" not in name}, (
        "nothing under a final name before the commit"
    )
    assert commit(output, done.attempt)
    assert files_of(output) == {"00003.tar", "_zoetrope/records/00003.parquet"}
    record = read_record(output, 3)
    assert (record.inputs, record.written, record.failed) == (6, 4, 2)
    assert record.samples.schema == SAMPLES
    assert record.failures.schema == FAILURES
    keys = [sample.key for sample in iter_shard(str(tmp_path / "00003.tar"))]
    assert (
        keys
        == record.samples["key"].to_pylist()
        == ["tiny-000019", "tiny-000020", "tiny-000022", "tiny-000023"]
    )
    assert record.samples["shard"].to_pylist() == ["00003.tar"] * 4
    assert record.failures["reason"].to_pylist() == ["timeout"] * 2
    (row,) = record.shards
    assert (row.samples, row.bytes, row.first_key, row.last_key, row.task) == (
        4, (tmp_path / "00003.tar").stat().st_size, "tiny-000019", "tiny-000023", 3,
    )  # fmt: skip


def test_a_commit_may_run_twice(tmp_path):
    output = Output(str(tmp_path))
    done = made(output)
    assert commit(output, done.attempt)
    before = (tmp_path / "00003.tar").read_bytes()
    assert commit(output, done.attempt)
    assert (tmp_path / "00003.tar").read_bytes() == before


@pytest.mark.parametrize("cut", [1, 2])
@pytest.mark.parametrize("finished_by", ["another attempt", "the end of the job", "the same attempt"])
def test_moves_that_were_cut_off_are_finished_by_whoever_comes_next(tmp_path, monkeypatch, cut, finished_by):
    output = Output(str(tmp_path))
    two = {"samples": 6, "fails": 0, "shard": ShardConfig(max_samples=3)}
    done, other = made(output, **two), made(output, **two)
    calls = []

    def dying(*arguments):
        calls.append(arguments)
        if len(calls) == cut:
            raise KeyboardInterrupt
        move_file(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(commit_module, "move_file", dying)
        with pytest.raises(KeyboardInterrupt):
            commit(output, done.attempt)
    assert done_tasks(output) == {3}
    if finished_by == "another attempt":
        assert not commit(output, other.attempt)
    elif finished_by == "the same attempt":
        assert commit(output, done.attempt)
        clean(output)
    else:
        clean(output)
    assert files_of(output) == {"00003-000.tar", "00003-001.tar", "_zoetrope/records/00003.parquet"}
    assert is_done(output, 3)


def test_a_second_attempt_does_not_touch_what_the_first_committed(tmp_path):
    output = Output(str(tmp_path))
    first, second = made(output), made(output, fails=2)  # a URL died in between
    assert commit(output, first.attempt)
    assert not commit(output, second.attempt)
    assert read_record(output, 3).failed == 2
    assert files_of(output) == {"00003.tar", "_zoetrope/records/00003.parquet"}


def test_a_worker_that_outlived_its_job_commits_nothing(tmp_path):
    """The job was cancelled and its files were cleaned up while the worker still made the task."""
    output = Output(str(tmp_path))
    done = made(output)
    remove_tree(output.tmp())
    with pytest.raises(OSError, match=r"00003\.tar"):
        commit(output, done.attempt)
    assert done_tasks(output) == set()


def test_a_record_whose_shards_are_gone_makes_no_task_done(tmp_path):
    output = Output(str(tmp_path))
    lost, other = made(output), made(output)
    assert commit(output, lost.attempt)
    os.remove(output.path("00003.tar"))
    assert not is_done(output, 3)
    assert commit(output, other.attempt)
    assert is_done(output, 3)


def test_a_record_with_a_wrong_size_leaves_its_task_done(tmp_path):
    output = Output(str(tmp_path))
    done = made(output)
    (row,) = done.attempt.record.shards
    wrong = replace(done.attempt, record=replace(done.attempt.record, shards=(replace(row, bytes=7),)))
    assert commit(output, wrong)
    shard = (tmp_path / "00003.tar").read_bytes()
    assert is_done(output, 3)
    assert (tmp_path / "00003.tar").read_bytes() == shard


@pytest.mark.parametrize(
    "name", ["../victim.tar", "victim.tar", "00004.tar", "/victim.tar", "00003.tar/../x"]
)
def test_a_record_moves_no_shard_out_of_its_output(tmp_path, name):
    output = Output(str(tmp_path / "out"))
    done = made(output)
    record = done.attempt.record
    rows = tuple(replace(row, shard=name) for row in record.shards)
    path = Path(output.record_path(3))
    path.parent.mkdir(parents=True)
    path.write_bytes(replace(record, shards=rows).to_bytes(done.attempt.name))
    with pytest.raises(ValueError, match=r"00003.parquet: not a record: shard .* is no name .*; remove it"):
        settle_all(output, Listing(done={3}, temporary={f"{done.attempt.name}/000.tar": 10240}))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out"]
    assert not list((tmp_path / "out").glob("*.tar"))


@pytest.mark.parametrize("attempt", ["../../victim", "..", "a/b"])
def test_a_record_takes_no_shard_from_outside_its_output(tmp_path, attempt):
    output = Output(str(tmp_path))
    record = made(output).attempt.record
    path = Path(output.record_path(3))
    path.parent.mkdir(parents=True)
    path.write_bytes(record.to_bytes(attempt))
    with pytest.raises(ValueError, match=r"00003.parquet: not a record: attempt .* is no name of a folder"):
        is_done(output, 3)


def test_a_record_of_another_task_is_refused(tmp_path):
    output = Output(str(tmp_path))
    record = made(output).attempt.record
    path = Path(output.record_path(4))
    path.parent.mkdir(parents=True)
    path.write_bytes(record.to_bytes(""))
    for read in (find_head, read_record):
        with pytest.raises(ValueError, match=r"00004.parquet: not a record: it is of task 3; remove it"):
            read(output, 4)


def test_records_of_an_earlier_version_name_no_attempt_and_count(tmp_path):
    output = Output(str(tmp_path))
    done = made(output)
    os.replace(output.tmp(done.attempt.name, "000.tar"), tmp_path / "00003.tar")
    Path(output.record_path(3)).parent.mkdir()
    Path(output.record_path(3)).write_bytes(done.attempt.record.to_bytes(""))
    clean(output)
    assert is_done(output, 3)
    assert forget_lost(output, list_output(output), (), Retries(), 1000) == []
    assert read_record(output, 3).written == 4


@pytest.mark.parametrize(
    ("caps", "names", "samples"),
    [
        (ShardConfig(max_samples=4), ["00000-000.tar", "00000-001.tar", "00000-002.tar"], [4, 4, 2]),
        (ShardConfig(max_bytes=20_480), ["00000-000.tar", "00000-001.tar"], [5, 5]),
        (ShardConfig(max_samples=10), ["00000.tar"], [10]),
    ],
)
def test_a_task_that_outgrows_a_shard_gets_several(tmp_path, caps, names, samples):
    output = Output(str(tmp_path))
    commit(output, made(output, 0, samples=10, shard=caps, fails=0).attempt)
    record = read_record(output, 0)
    assert [row.shard for row in record.shards] == names
    assert [row.samples for row in record.shards] == samples
    assert all((tmp_path / row.shard).stat().st_size == row.bytes <= caps.max_bytes for row in record.shards)
    written = [
        (sample.key, row.shard) for row in record.shards for sample in iter_shard(str(tmp_path / row.shard))
    ]
    assert written == list(
        zip(record.samples["key"].to_pylist(), record.samples["shard"].to_pylist(), strict=True)
    )


def test_a_task_whose_inputs_all_failed_has_a_record_and_no_tar(tmp_path):
    output = Output(str(tmp_path))
    commit(output, made(output, 0, fails=1).attempt)
    assert files_of(output) == {"_zoetrope/records/00000.parquet"}
    assert read_record(output, 0).failed == 6


def test_a_broken_record_is_named(tmp_path):
    output = Output(str(tmp_path))
    commit(output, made(output).attempt)
    Path(output.record_path(3)).write_bytes(b"PAR1 but not really")
    with pytest.raises(ValueError, match=r"records/00003\.parquet: not a record"):
        read_record(output, 3)


def test_strays_of_a_cut_off_commit_are_removed_and_foreign_files_are_not(tmp_path):
    output = Output(str(tmp_path))
    commit(output, made(output, 0).attempt)
    for name in ("00001.tar", "00002-000.tar", "mine.tar", "notes.txt", "7.tar"):
        (tmp_path / name).write_bytes(b"x")
    _remove_strays(output, list_output(output))
    assert sorted(os.listdir(tmp_path)) == ["00000.tar", "7.tar", "_zoetrope", "mine.tar", "notes.txt"]


class FullDisk(TinyMaker):
    def make(self, task, times):
        for item in super().make(task, times):
            yield Made.of(item.key, {"jpg": bytes(100_000)}, item.row)


def test_what_cannot_be_written_is_one_line_and_leaves_nothing(tmp_path):
    output = Output(str(tmp_path))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (250_000, hard))
    try:
        with pytest.raises(
            JobError, match=r"the output cannot be written: .*test_what_cannot.*File too large.*again$"
        ):
            make_task(tiny_tasks(1, 10)[0], FullDisk(), output, ShardConfig(), "f" * 16)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert files_of(output) == set()


def test_a_record_that_was_withdrawn_meanwhile_is_no_record(tmp_path: Path) -> None:
    output = Output(str(tmp_path / "clips"))
    assert find_head(output, 3) is None
    assert not is_done(output, 3)
