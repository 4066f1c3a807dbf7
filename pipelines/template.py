"""The main job as one graph that needs no submitter: planned, made and finished by workers. What a Flex Template runs.

`zoetrope animate` plans and finishes in its own process and waits for the job between; a template's launcher ends when the
job is handed over. Resume, fingerprint and tables are the same, and either may go on where the other stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.animate import make_job
from pipelines.config import AnimateConfig
from pipelines.output.finish import finish
from pipelines.output.folder import Output
from pipelines.output.job import Job
from pipelines.output.prepare import check_output, prepare_output
from pipelines.output.records import done_tasks
from pipelines.running.graph import JobSpec, MakeShards
from pipelines.sources.base import make_source
from schemas.records import Task


def build(
    pipeline: beam.Pipeline, config: AnimateConfig, *, published: str, accelerator: str | None = None
) -> Job:
    """Put the whole job into a pipeline. `published` is the ISO date on which the output was begun.

    `accelerator` is the resource hint of the stage that renders; every other stage runs on workers without.
    """
    job = job_of(config.to_dict())
    spec = JobSpec(
        Output(config.output).uri, job.fingerprint, job.shard, None, job.tasks_at_once, accelerator
    )
    done = (
        pipeline
        | "Config" >> beam.Create([config.to_dict()])
        | "Plan" >> beam.ParDo(_Plan()).with_output_types(Task)
        | "Shards" >> MakeShards(job.maker, spec)
    )
    made = done | "Count" >> beam.combiners.Count.Globally()
    _ = made | "Finish" >> beam.ParDo(_Finish(config.to_dict(), published))
    return job


def job_of(values: Mapping[str, Any]) -> Job:
    """The job of a resolved config's plain values. Raises ConfigError."""
    config = AnimateConfig.make(values)
    return make_job(config, make_source(config.source, shard_samples=config.shard.max_samples))


class _Plan(beam.DoFn):
    """The tasks that are not done yet, and how many there are in all."""

    def process(self, values: dict[str, Any]) -> Iterator[Task]:
        job, output = job_of(values), Output(values["output"])
        done, count = done_tasks(output), 0
        for task in job.tasks():
            count += 1
            if task.index not in done:
                yield task
        output.write_state("plan.json", {"tasks": count})


class _Finish(beam.DoFn):
    """Once every task is done: tables and pages. May run twice; both write the same."""

    def __init__(self, values: Mapping[str, Any], published: str) -> None:
        self._values, self._published = dict(values), published

    def process(self, made: int) -> None:
        output = Output(self._values["output"])
        totals = finish(output, self._values, published=self._published)
        counts = {name: value for name, value in asdict(totals).items() if name != "shards"}
        output.write_state("finished.json", counts)
        output.clean()


def launch(config: AnimateConfig, beam_args: Sequence[str], accelerator: str | None = None) -> None:
    """Check the config, begin the output and hand the job to its runner. Raises ConfigError before anything is written."""
    output, job = Output(config.output), job_of(config.to_dict())
    check_output(output, job, overwrite=config.overwrite)
    published = prepare_output(output, job, overwrite=config.overwrite)
    pipeline = beam.Pipeline(options=PipelineOptions(list(beam_args)))
    build(pipeline, config, published=published, accelerator=accelerator)
    pipeline.run()
