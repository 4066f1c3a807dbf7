"""The main job as one graph that needs no submitter: planned, made and finished by workers. What a Flex Template runs.

`zoetrope animate` plans and finishes in its own process and waits for the job between; a template's launcher ends when the
job is handed over. Resume, fingerprint and tables are the same, and either may go on where the other stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.animate import make_job
from pipelines.config import AnimateConfig
from pipelines.output.finish import finish
from pipelines.output.folder import Output
from pipelines.output.prepare import Job, check_output, prepare_output
from pipelines.running.dataflow import with_defaults
from pipelines.running.graph import JobSpec, MakeShards
from pipelines.sources.base import make_source
from schemas.errors import ConfigError
from schemas.records import Task
from storage.configs import load_config

FIELDS = {  # a template's parameter -> the config field it sets; parameters of a template know no dots
    "output": "output",
    "source_kind": "source.kind",
    "source_uri": "source.uri",
    "source_annotations": "source.annotations",
    "source_images": "source.images",
    "store": "store",
}


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
        done, count = output.done(), 0
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


def parse(argv: Sequence[str]) -> tuple[AnimateConfig, str | None, list[str]]:
    """Parameters of a template -> (config, accelerator, Beam's own arguments). Raises ConfigError."""
    parser = argparse.ArgumentParser(prog="zoetrope template", add_help=False, allow_abbrev=False)
    for name in (*FIELDS, "config", "overrides", "accelerator"):
        parser.add_argument(f"--{name}")
    known, beam_args = parser.parse_known_args(list(argv))
    given = [f"{field}={getattr(known, name)}" for name, field in FIELDS.items() if getattr(known, name)]
    config = load_config(AnimateConfig, known.config or None, [*given, *(known.overrides or "").split()])
    return config, known.accelerator or None, beam_args


def main(argv: Sequence[str], image: str | None = None) -> int:
    """Check, prepare the output and hand the job over. Returns 0, or 2 after one line.

    `image` is the worker image where the parameters name none: the launcher's own.
    """
    try:
        config, accelerator, beam_args = parse(argv)
        beam_args = with_defaults(beam_args, image)
        output, job = Output(config.output), job_of(config.to_dict())
        check_output(output, job, overwrite=config.overwrite)
        published = prepare_output(output, job, overwrite=config.overwrite)
        pipeline = beam.Pipeline(options=PipelineOptions(beam_args))
        build(pipeline, config, published=published, accelerator=accelerator)
        pipeline.run()
    except ConfigError as error:
        print(f"zoetrope: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
