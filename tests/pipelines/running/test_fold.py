"""Workers fold the parts once their tasks are made, and the end of the job finds them folded."""

from __future__ import annotations

import apache_beam as beam
from part_job import IN_PARTS, part_job, parts_of
from tiny_job import TinyMaker, tiny_tasks

from pipelines.making.config import ShardConfig
from pipelines.output import finish as finish_module
from pipelines.output.finish import finish
from pipelines.output.folder import Output
from pipelines.output.listing import list_output
from pipelines.output.tables.places import is_complete, parts_due
from pipelines.running.engine import choose_runner
from pipelines.running.fold import FoldParts
from pipelines.running.graph import JobSpec, MakeShards
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
