"""`python -m clusters.dataflow` prints one line per check and fails with the first fault."""

from __future__ import annotations

from clusters.dataflow.__main__ import CHECKS, main


def test_all_checks_run():
    assert list(CHECKS) == ["graph", "environment", "wheel", "image"]


def test_a_fault_is_printed_and_fails(capsys):
    assert main({"a": lambda scratch: iter([]), "b": lambda scratch: iter(["no tag", "no file"])}) == 1
    assert capsys.readouterr().out == "a: no faults\nb: no tag; no file\n"


def test_checks_without_faults_pass(capsys):
    assert main({"a": lambda scratch: iter([] if scratch.is_dir() else ["no folder"])}) == 0
    assert capsys.readouterr().out == "a: no faults\n"
