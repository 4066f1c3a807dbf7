"""The plan of a retry: a stream over the parts, in the order of the tasks, whatever was retried before."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from part_job import part_job, run_parts
from tiny_job import TinyMaker

from pipelines.output.folder import Output
from pipelines.output.listing import list_output
from pipelines.retry_plan import Failures, tasks_left
from schemas.manifest import FAILURES_FILE
from storage.tables import iter_rows


def plan_lines(output: Output) -> list[dict]:
    path = sorted(Path(output.state("retries")).glob("*.jsonl"))[-1]
    return [json.loads(line) for line in path.read_text().splitlines()]


def retried(output: Output, fails: int, reasons=()) -> list[tuple[int, int, list[str]]]:
    """Plan a retry and run it. Returns (task, origin, keys) of its plan."""
    job = part_job(5, 4, fails=2)
    assert not list(tasks_left(output, list_output(output).done))
    Failures(output, job, list_output(output)).write_plan(reasons)
    found = [(row["index"], row["origin"], row["keys"]) for row in plan_lines(output)]
    again = replace(
        job,
        is_retry=True,
        maker=TinyMaker(fails=fails),
        tasks=lambda: tasks_left(output, list_output(output).done),
    )
    run_parts(output.uri, again)
    return found


def key(number: int) -> str:
    return f"tiny-{number:06d}"


def test_each_retry_plans_what_still_fails_by_its_first_task(tmp_path):
    output = Output(str(tmp_path))
    run_parts(tmp_path, part_job(5, 4, fails=2))  # the even ones fail
    first = retried(output, fails=8)
    assert first == [(5 + n, n, [key(4 * n), key(4 * n + 2)]) for n in range(5)]
    assert [row["key"] for row in iter_rows(str(tmp_path), FAILURES_FILE)] == [key(0), key(8), key(16)]
    assert retried(output, fails=16) == [(10, 0, [key(0)]), (11, 2, [key(8)]), (12, 4, [key(16)])]
    assert retried(output, fails=1) == [(13, 0, [key(0)]), (14, 4, [key(16)])]
    assert retried(output, fails=0) == [(15, 0, [key(0)]), (16, 4, [key(16)])]
    assert not list(iter_rows(str(tmp_path), FAILURES_FILE))
    failures = Failures(output, part_job(5, 4, fails=2), list_output(output))
    assert failures.inputs() == 20
    assert failures.write_plan(()) == 0


def test_reasons_limit_the_plan(tmp_path):
    output = Output(str(tmp_path))
    job = part_job(5, 4, fails=2)
    run_parts(tmp_path, job)
    assert Failures(output, job, list_output(output)).write_plan({"http_404"}) == 0
    assert Failures(output, job, list_output(output)).write_plan({"timeout", "http_404"}) == 5


def test_an_output_whose_end_was_killed_is_folded_first(tmp_path):
    output = Output(str(tmp_path))
    job = part_job(5, 4, fails=2)
    run_parts(tmp_path, job)
    for path in [*Path(output.state("parts")).iterdir(), *(tmp_path / "failures").iterdir()]:
        path.unlink()
    Path(output.state("finished.json")).unlink()
    assert Failures(output, job, list_output(output)).write_plan(()) == 5


def test_tasks_that_the_source_has_lost_are_left_out(tmp_path):
    output = Output(str(tmp_path))
    job = part_job(5, 4, fails=2)
    run_parts(tmp_path, job)
    shorter = replace(job, tasks=lambda: (task for task in job.tasks() if task.index != 2))
    assert Failures(output, shorter, list_output(output)).write_plan(()) == 4
    assert [row["origin"] for row in plan_lines(output)] == [0, 1, 3, 4]
