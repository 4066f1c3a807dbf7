"""These tests start nurseries as jobs do, each in an interpreter of its own."""

from __future__ import annotations

import pytest

from pipelines.workers import nursery

START = nursery._start_process


@pytest.fixture(autouse=True)
def _real_nurseries(monkeypatch) -> None:
    monkeypatch.setattr(nursery, "_start_process", START)
