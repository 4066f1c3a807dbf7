"""Outputs whose tables are made of several small parts: two tasks in each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tiny_job import TinyMaker, tiny_job

from pipelines.output.folder import Output
from pipelines.output.job import Job
from pipelines.output.listing import list_output
from pipelines.output.retries import read_retries
from pipelines.output.tables.parts import Part, plan_parts, tasks_per_part
from pipelines.result import RunResult
from pipelines.running.submit import run_job

IN_PARTS = {"max_samples": 500_000}  # half a million rows a task: a part holds two


def part_job(tasks: int = 5, samples: int = 4, *, fails: int = 0) -> Job:
    job = tiny_job(tasks, samples, maker=TinyMaker(fails=fails))
    return replace(job, config={**job.config, "shard": IN_PARTS})


def run_parts(output: Path | str, job: Job | None = None) -> RunResult:
    return run_job(job or part_job(), Output(str(output)), workers=1, overwrite=False, max_failure_ratio=1.0)


def parts_of(output: Output) -> list[Part]:
    size = tasks_per_part({"shard": IN_PARTS})
    return plan_parts(list_output(output).done, read_retries(output), size)
