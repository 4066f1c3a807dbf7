"""Workers fold the parts once their tasks are made, and the end of the job finds them folded."""

from __future__ import annotations

import os
import shutil

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from part_job import IN_PARTS, part_job, parts_of, run_parts
from tiny_job import TinyMaker, tiny_tasks

from pipelines.making.config import ShardConfig
from pipelines.output import finish as finish_module
from pipelines.output.finish import finish
from pipelines.output.folder import Output
from pipelines.output.listing import list_output
from pipelines.output.tables.places import is_complete, parts_due
from pipelines.running import submit
from pipelines.running.engine import RunnerChoice, choose_runner
from pipelines.running.fold import FoldParts
from pipelines.running.graph import JobSpec, MakeShards
from pipelines.running.watch import progress
from schemas.manifest import SAMPLES_FILE
from storage.tables import iter_rows


def test_every_part_is_folded_after_its_last_task(tmp_path, monkeypatch):
    output = Output(str(tmp_path))
    due = parts_due(output, list_output(output), range(5), 2)
    assert [part.tasks for part in due] == [((0, 2),), ((2, 4),), ((4, 5),)]
    spec = JobSpec(output.uri, "f" * 16, ShardConfig())
    choice = choose_runner((), 1)
    with beam.Pipeline(runner=choice.runner, options=choice.options) as pipeline:
        done = pipeline | beam.Create(tiny_tasks(5, 4)) | MakeShards(TinyMaker(fails=3), spec)
        _ = (done, pipeline | "Parts" >> beam.Create(due)) | FoldParts(spec, 2)
    listing = list_output(output)
    assert all(is_complete(output, part, listing) for part in parts_of(output))
    monkeypatch.setattr(finish_module, "fold_part", None)  # nothing is left to fold
    totals = finish(output, {**part_job().config, "shard": IN_PARTS}, published="2026-01-01")
    assert (totals.tasks, totals.inputs, totals.written, totals.failed) == (5, 20, 13, 7)
    assert len(list(iter_rows(str(tmp_path), SAMPLES_FILE))) == 13


@pytest.fixture
def cluster(monkeypatch):
    """A runner of which the submitter knows only that it is elsewhere."""
    from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

    def choose(*arguments: object) -> RunnerChoice:
        return RunnerChoice(PipelineOptions([]), FnApiRunner(), is_local=False)

    monkeypatch.setattr(submit, "choose_runner", choose)
    monkeypatch.setattr(finish_module, "fold_part", None)  # the submitter folds nothing


def test_the_workers_fold_what_the_end_needs(tmp_path, cluster):
    result = run_parts(tmp_path, part_job(5, 4, fails=3))
    assert (result.written, result.failed, result.totals.off_by) == (13, 7, 0)
    os.remove(Output(str(tmp_path)).record_path(3))
    assert run_parts(tmp_path, part_job(5, 4, fails=3)).written == 2


def test_workers_fold_many_parts_though_no_task_is_missing(tmp_path, cluster, monkeypatch):
    """A run was killed after its tasks, and before its tables."""
    monkeypatch.setattr(submit, "FOLDED_HERE", 1)
    run_parts(tmp_path)
    shutil.rmtree(tmp_path / "_zoetrope" / "parts")
    assert run_parts(tmp_path).nothing_made, "a finished output is left alone"
    os.remove(tmp_path / "_zoetrope" / "finished.json")
    result = run_parts(tmp_path)
    assert (result.written, result.resumed) == (0, 20)
    assert len(list(iter_rows(str(tmp_path), SAMPLES_FILE))) == 20


def test_the_estimate_of_progress_reads_a_few_records_of_each_look(tmp_path, monkeypatch):
    run_parts(tmp_path / "all", part_job(9, 4, fails=4))
    monkeypatch.setattr(progress, "RECORDS_READ", 2)
    monkeypatch.setattr(progress, "RECORDS_SECONDS", 0.0)
    monkeypatch.setattr(progress, "LOOKS_RARELY", 0.0)
    records, output = tmp_path / "some" / "_zoetrope" / "records", Output(str(tmp_path / "some"))
    records.mkdir(parents=True)
    copy = lambda task: shutil.copy(tmp_path / "all" / "_zoetrope" / "records" / task, records)  # noqa: E731
    copy("00000.parquet")
    seen = progress.RecordsSeen(output)
    assert seen.counts() == (0, 0)
    for task in range(1, 9):
        copy(f"{task:05d}.parquet")
    assert seen.counts() == (24, 8)
