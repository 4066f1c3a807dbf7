"""Every benchmark is a command with a help text, which runs nothing."""

from __future__ import annotations

import runpy

import pytest

from benchmarks.__main__ import main, names_of_benchmarks

NAMES = names_of_benchmarks()


def test_parts_of_benchmarks_are_no_benchmarks(capsys):
    assert {"render", "job", "search", "hostile"} <= set(NAMES)
    assert not {"harness", "job_workers", "mutations", "pictures", "__init__"} & set(NAMES)
    assert main(["renderer"]) == 2
    assert "unknown benchmark 'renderer'" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")  # by an earlier test
@pytest.mark.parametrize("name", NAMES)
def test_its_help_is_shown_and_nothing_runs(name, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    assert ended.value.code in (0, None)
    shown = capsys.readouterr().out
    assert shown.startswith("usage: ")
    assert len(shown.splitlines()) > 3
