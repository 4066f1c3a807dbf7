"""Build the pipelines of a job from the places of its tasks: one, or on a Flink cluster several parts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.output.job import Job, TaskAt
from pipelines.output.tables.parts import Part, tasks_per_part
from pipelines.running.engine import RunnerChoice
from pipelines.running.fold import FoldParts
from pipelines.running.graph import JobSpec, MakeShards
from pipelines.running.pipeline import PipelineRun
from pipelines.running.remote.flink import keep_workers
from pipelines.running.remote.parts import PartsRun, slots_of, slots_per_part
from pipelines.running.remote.sizes import divide, even_sizes, part_sizes
from pipelines.running.survey_stages import SurveySpec, build_survey
from schemas.records import Task
from storage.login import set_options

FOLDED_AT_THE_END = 4  # parts of the tables that are not worth a Flink job of their own


def start_run(
    places: Sequence[TaskAt],
    due: Sequence[Part],
    job: Job,
    spec: JobSpec,
    choice: RunnerChoice,
    *,
    least: int,
    spread: bool,
) -> PipelineRun | PartsRun:
    """The run of a job, not yet submitted.

    `due` are the parts of the tables to fold, `least` is the least number of tasks of a part of the run.
    Without `spread`, all parts of the run are submitted at once: their submitter leaves them.
    """
    slots = slots_of(choice)
    if not slots:
        pipeline = _pipeline(choice, choice.options)
        done = _make(pipeline, places, job, spec, shared=True)
        if due:
            _fold(pipeline, done, due, job, spec)
        return PipelineRun(pipeline, choice)

    def making(some: Sequence[TaskAt], options: PipelineOptions) -> beam.Pipeline:
        pipeline = _pipeline(choice, options)
        _make(pipeline, some, job, spec, shared=slots_per_part(slots) > 1)
        return pipeline

    def folding(options: PipelineOptions) -> beam.Pipeline:
        keep_workers(options)
        pipeline = _pipeline(choice, options)
        nothing = pipeline | "Made" >> beam.Create([], reshuffle=False)
        _fold(pipeline, nothing | beam.Map(int).with_output_types(int), due, job, spec)
        return pipeline

    count = len(places)
    if spread:
        sizes = part_sizes(count, slots, least)
    else:
        sizes = even_sizes(count, slots)
    parts = [partial(making, some) for some in divide(list(places), sizes)]
    folds = (spread or not places) and len(due) > FOLDED_AT_THE_END
    if folds:
        return PartsRun(parts, choice, last=folding)
    return PartsRun(parts, choice)


def start_survey(places: Sequence[TaskAt], job: Job, spec: SurveySpec, choice: RunnerChoice) -> PipelineRun:
    """The run of a job's pass over the whole input, not yet submitted."""
    keep_workers(choice.options)
    pipeline = _pipeline(choice, choice.options)
    surveyor: Any = job.maker
    build_survey(pipeline, replace(surveyor, device="cpu"), spec, places)  # it renders nothing
    return PipelineRun(pipeline, choice)


def _pipeline(choice: RunnerChoice, options: PipelineOptions) -> beam.Pipeline:
    pipeline = beam.Pipeline(runner=choice.runner, options=options)
    with suppress(OSError):
        os.rmdir(pipeline.local_tempdir)  # for transforms in other languages alone; kill -9 would leave it
    return pipeline


def _make(
    pipeline: beam.Pipeline, places: Sequence[TaskAt], job: Job, spec: JobSpec, *, shared: bool
) -> beam.PCollection[int]:
    """Make the tasks at these places in one stage, or in two if several workers share them.

    Between two stages are the places, not the tasks. On Flink and Spark each stage starts Python workers.
    """
    tasks = pipeline | beam.Create(list(places), reshuffle=shared) | "Load" >> beam.ParDo(_Load(spec))
    return tasks | MakeShards(job.maker, spec, spread=False)


def _fold(
    pipeline: beam.Pipeline, done: beam.PCollection[int], due: Sequence[Part], job: Job, spec: JobSpec
) -> None:
    parts = pipeline | "Parts" >> beam.Create(list(due))
    _ = (done, parts) | FoldParts(spec, tasks_per_part(job.config))


class _Load(beam.DoFn):
    def __init__(self, spec: JobSpec) -> None:
        self._spec = spec

    def setup(self) -> None:
        set_options(self._spec.stores)

    def process(self, place: TaskAt) -> Iterator[Task]:
        yield place.load()
