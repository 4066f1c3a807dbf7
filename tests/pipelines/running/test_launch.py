"""How many stages the pipelines of a job have: on a cluster each stage starts Python workers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, cast

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions
from tiny_job import TinyMaker, tiny_job, tiny_tasks

from pipelines.curation.whole import ExactDuplicates
from pipelines.making.clips import Animator
from pipelines.making.config import ShardConfig
from pipelines.output.job import TaskAt
from pipelines.output.tables.parts import Part
from pipelines.running.engine import RunnerChoice, choose_runner
from pipelines.running.graph import JobSpec, MakeShards
from pipelines.running.launch import FOLDED_AT_THE_END, start_run, start_survey
from pipelines.running.pipeline import PipelineRun
from pipelines.running.remote.flink import KEPT_MS
from pipelines.running.remote.parts import PartsRun
from pipelines.running.survey import SurveySpec
from transforms.settings import ClipSettings

PLACES = [TaskAt("plan", number, 10) for number in range(200)]
FLINK = ["--runner=FlinkRunner", "--flink_master=127.0.0.1:1", "--environment_config=127.0.0.1:1"]
FLINK += ["--environment_type=EXTERNAL", "--job_endpoint=127.0.0.1:1"]


def started(*beam_args: str) -> tuple[PipelineRun | PartsRun, RunnerChoice]:
    choice = choose_runner(beam_args, 1)
    spec = JobSpec("clips", "f" * 16, ShardConfig())
    start = partial(start_run, PLACES, [], tiny_job(), spec, choice)
    return start(least=1, spread=False), choice


def shuffles(pipeline: beam.Pipeline) -> int:
    transforms = pipeline.to_runner_api().components.transforms.values()
    return sum(each.spec.urn == "beam:transform:reshuffle:v1" for each in transforms)


def test_the_places_of_tasks_are_spread_once():
    run, _ = started()
    assert isinstance(run, PipelineRun)
    assert shuffles(run._pipeline) == 1


@pytest.mark.parametrize(("slots", "expected"), [(4, 0), (64, 0), (65, 1)])
def test_a_part_on_one_slot_is_one_stage(slots, expected):
    run, choice = started(*FLINK, f"--parallelism={slots}")
    assert isinstance(run, PartsRun)
    _, build = run._waiting[0]
    assert shuffles(build(choice.options)) == expected


def kept_ms(pipeline: beam.Pipeline) -> int:
    return int(pipeline._options.view_as(PortableOptions).environment_cache_millis)


def test_only_short_stages_on_flink_keep_their_workers():
    choice = choose_runner([*FLINK, "--parallelism=4"], 1)
    maker = Animator(cast("Any", None), ClipSettings())
    job = replace(tiny_job(), maker=maker, whole=(ExactDuplicates(),))
    survey = start_survey(PLACES, job, SurveySpec("clips", job.whole, 1), choice)
    assert kept_ms(survey._pipeline) == KEPT_MS
    spec = JobSpec("clips", "f" * 16, ShardConfig())
    due = [Part(number, ((number, number + 1),)) for number in range(FOLDED_AT_THE_END + 1)]
    run = start_run(PLACES, due, tiny_job(), spec, choice, least=1, spread=True)
    assert isinstance(run, PartsRun)
    options = PipelineOptions(list(choice.arguments))
    assert kept_ms(run._waiting[0][1](options)) == 0
    assert run._last is not None
    assert kept_ms(run._last(options)) == KEPT_MS


def test_tasks_of_a_larger_pipeline_are_spread():
    pipeline = beam.Pipeline()
    tasks = pipeline | beam.Create(tiny_tasks(1, 5))
    _ = tasks | MakeShards(TinyMaker(), JobSpec("clips", "f" * 16, ShardConfig()))
    assert shuffles(pipeline) == 1
