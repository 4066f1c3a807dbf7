"""The line of progress, and the main reason of failures in it."""

from __future__ import annotations

import io

import pytest
from tiny_job import TinyMaker, tiny_job

from pipelines.output.folder import Output
from pipelines.running.watch.progress import Progress, RecordsSeen
from pipelines.running.watch.signals import Signals
from tests.pipelines.running.test_graph import run


def test_the_line_has_rate_time_left_and_the_main_reason_of_failures():
    signals = Signals()
    progress = Progress(100, stream=io.StringIO())
    progress.main_reason = signals.main_reason
    assert progress.line(10.0, 30, 10) == "40/100 inputs, 30 written, 10 failed, 4.0 inputs/s, 15s left"
    signals.count_reasons({"timeout": 3, "http_404": 6})
    signals.count_reasons({"timeout": 1})
    assert "30 written, 10 failed (most: http_404), 4.0" in progress.line(10.0, 30, 10)
    assert "40 written, 0 failed, " in progress.line(10.0, 40, 0)


@pytest.mark.parametrize("content", [b"", b"cut off"])
def test_a_record_that_cannot_be_read_is_passed_over(tmp_path, monkeypatch, content):
    monkeypatch.setattr("pipelines.running.watch.progress.RECORDS_SECONDS", 0.0)
    monkeypatch.setattr("pipelines.running.watch.progress.LOOKS_RARELY", 0.0)
    seen = RecordsSeen(Output(str(tmp_path)))
    damaged = tmp_path / "_zoetrope" / "records" / "00009.parquet"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(content)
    assert seen.counts() == (0, 0)
    damaged.unlink()
    run(tmp_path, tiny_job(2, 5))
    written, failed = seen.counts()
    assert written >= 10
    assert failed == 0


def test_a_job_shows_the_main_reason_of_its_failures(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(
        Progress, "update", lambda self, written, failed: lines.append(self.line(1.0, written, failed))
    )
    run(tmp_path, tiny_job(4, 5, maker=TinyMaker(fails=2)))
    assert "10 written, 10 failed (most: timeout), " in lines[-1]


def test_an_estimated_total_is_marked():
    assert Progress(100, exact=False, stream=io.StringIO()).line(0.0, 0, 0) == (
        "0/~100 inputs, 0 written, 0 failed, 0.0 inputs/s, ? left"
    )
