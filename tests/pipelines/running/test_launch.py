"""How many stages the pipelines of a job have: on a cluster each stage starts Python workers."""

from __future__ import annotations

from functools import partial

import apache_beam as beam
import pytest
from tiny_job import TinyMaker, tiny_job, tiny_tasks

from pipelines.making.config import ShardConfig
from pipelines.output.job import TaskAt
from pipelines.running.engine import RunnerChoice, choose_runner
from pipelines.running.graph import JobSpec, MakeShards
from pipelines.running.launch import start_run
from pipelines.running.pipeline import PipelineRun
from pipelines.running.remote.parts import PartsRun

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


def test_tasks_of_a_larger_pipeline_are_spread():
    pipeline = beam.Pipeline()
    tasks = pipeline | beam.Create(tiny_tasks(1, 5))
    _ = tasks | MakeShards(TinyMaker(), JobSpec("clips", "f" * 16, ShardConfig()))
    assert shuffles(pipeline) == 1
