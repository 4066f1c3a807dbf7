"""The line of progress, and the main reason of failures in it."""

from __future__ import annotations

import io

from pipelines.running.watch.progress import Progress
from pipelines.running.watch.signals import Signals


def test_the_line_has_rate_time_left_and_the_main_reason_of_failures():
    signals = Signals()
    progress = Progress(100, stream=io.StringIO())
    progress.main_reason = signals.main_reason
    assert progress.line(10.0, 30, 10) == "40/100 inputs, 30 written, 10 failed, 4.0 inputs/s, 15s left"
    signals.count_reasons({"timeout": 3, "http_404": 6})
    signals.count_reasons({"timeout": 1})
    assert "30 written, 10 failed (most: http_404), 4.0" in progress.line(10.0, 30, 10)
    assert "40 written, 0 failed, " in progress.line(10.0, 40, 0)


def test_an_estimated_total_is_marked():
    assert Progress(100, exact=False, stream=io.StringIO()).line(0.0, 0, 0) == (
        "0/~100 inputs, 0 written, 0 failed, 0.0 inputs/s, ? left"
    )
