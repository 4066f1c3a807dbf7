"""The main job as one graph that needs no submitter: workers plan, make and finish. A Flex Template runs it.

`zoetrope animate` plans and finishes in its own process and waits for the job in between. A template's
launcher ends when the job is handed over. Resume, fingerprint and tables are the same, and either may
continue the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from pipelines.animate import make_job, source_of
from pipelines.config import AnimateConfig
from pipelines.making.maker import Sharing
from pipelines.output.aside import keep_aside
from pipelines.output.commit import clean
from pipelines.output.finish import finish
from pipelines.output.folder import Output
from pipelines.output.job import Job
from pipelines.output.listing import list_output
from pipelines.output.lock import output_lock
from pipelines.output.prepare import check_output, prepare_output
from pipelines.output.tables.parts import forget_parts, tasks_per_part
from pipelines.output.tables.places import parts_due
from pipelines.running.engine import count_processes
from pipelines.running.fold import FoldParts
from pipelines.running.graph import JobSpec, MakeShards
from pipelines.running.remote import dataflow
from pipelines.running.remote.attach import refuse_running
from pipelines.running.remote.job import RemoteJob, forget, keep
from pipelines.running.remote.staging import staged_files
from pipelines.running.stores import store_options
from schemas.errors import ConfigError
from schemas.records import Task
from storage.login import set_options
from storage.write import remove_file

PARTS = "parts"  # the second output of `_Plan`


def build(
    pipeline: beam.Pipeline,
    config: AnimateConfig,
    *,
    published: str,
    accelerator: str | None = None,
    place: Mapping[str, str] | None = None,
) -> Job:
    """Put the whole job into a pipeline. `published` is the ISO date on which the output was begun.

    `accelerator` is the resource hint of the stage that renders; every other stage runs on workers without.
    `place` holds the project and region of a Dataflow job, whose id the workers keep in the output while it
    runs.
    """
    job = job_of(config.to_dict())
    maker, runner = job.maker, pipeline.options.view_as(StandardOptions).runner or ""
    if isinstance(maker, Sharing):
        maker = maker.shared_by(count_processes(pipeline.options, runner), runner or "the runner")
    spec = JobSpec(
        Output(config.output).uri,
        job.fingerprint,
        job.shard,
        tasks_at_once=job.tasks_at_once,
        accelerator=accelerator,
        replaceable=place is not None,
        retries=place is not None,
        max_failed_tasks=job.max_failed_tasks,
    )
    values = pipeline | "Config" >> beam.Create([config.to_dict()])
    plan = beam.ParDo(_Plan(place, spec)).with_output_types(Task)
    planned = values | "Plan" >> plan.with_outputs(PARTS, main="tasks")
    done = planned.tasks | "Shards" >> MakeShards(maker, spec)
    folded = (done, planned[PARTS]) | "Tables" >> FoldParts(spec, tasks_per_part(job.config))
    counted = folded | "Count" >> beam.combiners.Count.Globally()
    _ = counted | "Finish" >> beam.ParDo(_Finish(config.to_dict(), published, spec))
    return job


def job_of(values: Mapping[str, Any]) -> Job:
    """The job of a resolved config's plain values. Raises ConfigError."""
    config = AnimateConfig.make(values)
    return make_job(config, source_of(config))


class _Plan(beam.DoFn):
    """Plan the tasks that are not done yet and the parts of the tables, and keep how many tasks there are."""

    def __init__(self, place: Mapping[str, str] | None, spec: JobSpec) -> None:
        self._place, self._spec = place, spec

    def setup(self) -> None:
        set_options(self._spec.stores)

    def process(self, values: dict[str, Any]) -> Iterator[Task | beam.pvalue.TaggedOutput]:
        job, output = job_of(values), Output(values["output"])
        own = dataflow.job_of_worker()
        if self._place is not None and own is not None:
            keep(output, RemoteJob(dataflow.RUNNER, own, self._place))
        listing, size = list_output(output), tasks_per_part(values)
        expected, count = set(listing.done), 0
        for task in job.tasks():
            count += 1
            if task.index not in listing.done:
                expected.add(task.index)
                yield task
        output.write_state("plan.json", {"tasks": count})
        forget_parts(output, listing, expected - listing.done, size)
        for part in parts_due(output, listing, expected, size):
            yield beam.pvalue.TaggedOutput(PARTS, part)


class _Finish(beam.DoFn):
    """Write tables and pages once every task is done. A second run writes the same."""

    def __init__(self, values: Mapping[str, Any], published: str, spec: JobSpec) -> None:
        self._values, self._published, self._spec = dict(values), published, spec

    def setup(self) -> None:
        set_options(self._spec.stores)

    def process(self, folded: int) -> None:
        output = Output(self._values["output"])
        keep_aside(output)
        finish(output, self._values, published=self._published)
        clean(output)
        forget(output)


def launch(config: AnimateConfig, beam_args: Sequence[str], accelerator: str | None = None) -> None:
    """Check the config, prepare the output and hand the job to its runner.

    Raises ConfigError before anything is written, also if another job still writes to the output.
    """
    set_options(store_options(beam_args))
    output, job = Output(config.output), replace(job_of(config.to_dict()), source=None)
    options = PipelineOptions(list(beam_args))
    with output_lock(output):
        refuse_running(output, "wait for that job, or cancel it")
        check_output(output, job, overwrite=config.overwrite)
        prepared = prepare_output(output, job, overwrite=config.overwrite)
        if len(prepared.listing.inputs) > 1:
            raise ConfigError(f"output {output.uri}: it has grown; continue with `zoetrope animate`")
        for name in prepared.listing.inputs:  # the workers plan, and keep no marks
            remove_file(output.state("inputs", name))
        prepared.write_job(output, job)
        pipeline = beam.Pipeline(options=options)
        place = dataflow.place_of(options)
        build(pipeline, config, published=prepared.published, accelerator=accelerator, place=place)
        with staged_files():
            pipeline.run()
