"""The runner that starts Prism. Whole jobs: `tests/engines/test_prism.py`."""

from __future__ import annotations

from pipelines.running.engine import choose_runner


def test_prism_is_named_as_ever():
    choice = choose_runner(["--runner=PrismRunner"], None)
    assert (choice.describe(), choice.processes, choice.retries) == ("PrismRunner", 1, False)
