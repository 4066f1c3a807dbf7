"""The lines that a job prints: its plan and its result."""

from __future__ import annotations

import logging
import signal

import pytest

from pipelines.dry_run import Plan
from pipelines.output.finish import Totals
from pipelines.running.submit import RunResult
from schemas.errors import TerminatedError
from zoetrope.jobs import job_circumstances, plan_lines, summary


def plan(**changes) -> Plan:
    values = {
        "source": "folder",
        "inputs": 1200,
        "exact": True,
        "failing": 0,
        "output": "clips",
        "tasks": 2,
        "left": 1,
        "store": "still: 12 frames of 224x224",
        "sample_bytes": 40_000.0,
        "runner": "direct runner, 2 workers",
        "keys": ("a", "b"),
    }
    return Plan(**{**values, **changes})


def test_a_plan_is_six_lines():
    assert plan_lines(plan()).splitlines() == [
        "source   folder: 1200 inputs",
        "output   clips: 2 tasks (a shard each), 1 to be made",
        "store    still: 12 frames of 224x224, about 48 MB (40 kB a sample)",
        "runner   direct runner, 2 workers",
        "keys     a, b, ...",
        "dry run: nothing was written",
    ]


def test_a_plan_of_a_source_that_has_grown_says_what_is_new_and_what_is_kept():
    lines = plan_lines(plan(new_inputs=200, new_tasks=1))
    assert "source   folder: 1200 inputs; 200 of them are new, 1000 are kept in 1 task" in lines


def test_a_plan_says_what_is_estimated_and_what_will_fail():
    lines = plan_lines(plan(exact=False, failing=200, sample_bytes=None, inputs=2, keys=("a", "b")))
    assert "source   folder: about 2 inputs, 200 of them without a file or captions" in lines
    assert ", size unknown" in lines
    assert "keys     a, b\n" in lines


def result(totals: Totals, **changes) -> RunResult:
    values = {
        "written": 8,
        "failed": 2,
        "resumed": 0,
        "seconds": 5.0,
        "max_failure_ratio": 0.5,
        "runner": "x",
    }
    return RunResult("clips", totals, **{**values, **changes})


def test_a_summary_counts_clips_failures_and_reasons():
    totals = Totals(tasks=2, inputs=10, written=8, failed=2, bytes=48_000, reasons={"timeout": 2}, shards=())
    assert summary(result(totals), "clips/report.html").splitlines() == [
        "clips: 8 clips in 0 shards (48 kB), 2 of 10 inputs failed",
        "          2  timeout",
        "this run: 8 written, 2 failed in 5s (2.0 inputs/s)",
        "what to do about failures: zoetrope failures clips",
        "report: clips/report.html",
    ]
    assert "too many failures: 20.0% of the inputs, over max_failure_ratio=0.1" in summary(
        result(totals, max_failure_ratio=0.1), None
    )


def test_a_summary_after_a_retry_counts_the_failures_that_are_gone():
    totals = Totals(tasks=2, inputs=10, written=10, failed=0, bytes=48_000, reasons={}, shards=())
    assert "this run: 2 written, 2 failures fewer" in summary(result(totals, written=2, failed=-2), None)


def test_sigterm_is_an_exception_in_a_job_and_nothing_else_changes_after_it():
    before, level = signal.getsignal(signal.SIGTERM), logging.getLogger().level
    with pytest.raises(TerminatedError), job_circumstances():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
    assert logging.getLogger().level == level
