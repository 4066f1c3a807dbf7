"""Logs of a run: every sink gets every record, and a run's identifier is its own."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trainer.logs.run_logs import RunLogs
from trainer.logs.sinks import JsonLines


@pytest.fixture
def wandb_calls(monkeypatch) -> list[dict[str, Any]]:
    """Stand in for the wandb package, which is not installed: what it is asked to do is recorded."""
    calls: list[dict[str, Any]] = []

    def init(**options: Any) -> SimpleNamespace:
        calls.append(options)
        return SimpleNamespace(log=lambda values, step: None, finish=lambda: None)

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    return calls


def open_logs(output: Path, start: int = 0, **options: Any) -> RunLogs:
    fixed: dict[str, Any] = {"total_steps": 10, "config": {"a": 1}, "tensorboard": False, "wandb": None}
    return RunLogs.open(str(output), start=start, **{**fixed, **options})


def test_records_and_messages_reach_file_and_console(tmp_path: Path, caplog) -> None:
    caplog.set_level(logging.INFO)
    logs = open_logs(tmp_path / "run")
    logs.write(3, {"loss": 1.5, "epoch": None, "grad_norm": float("inf")})
    logs.say("a message")
    logs.close()
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert lines == ['{"step": 3, "loss": 1.5, "epoch": null, "grad_norm": null}']
    assert caplog.messages == ["step 3/10  loss 1.5  grad_norm inf", "a message"]


def test_logs_without_sinks_do_nothing(tmp_path: Path, capsys) -> None:
    logs = RunLogs()
    logs.write(1, {"loss": 1.0})
    logs.say("nothing")
    logs.advance(1.0)
    logs.publish()
    logs.close()
    assert capsys.readouterr().err == ""


def test_runs_of_equal_last_folder_name_are_two_runs_on_wandb(tmp_path: Path, wandb_calls) -> None:
    for folder in ("a", "b"):
        open_logs(tmp_path / folder / "pretrain", wandb="project").close()
    assert [call["name"] for call in wandb_calls] == ["pretrain", "pretrain"]
    assert wandb_calls[0]["id"] != wandb_calls[1]["id"]


def test_a_resumed_run_is_the_same_run_on_wandb_and_a_new_one_in_its_folder_is_not(
    tmp_path: Path, wandb_calls
) -> None:
    for start in (0, 5, 0):
        open_logs(tmp_path / "run", start, wandb="project").close()
    first, resumed, new = (call["id"] for call in wandb_calls)
    assert resumed == first
    assert new != first


def test_damaged_lines_of_the_records_do_not_keep_a_run_from_going_on(tmp_path):
    path = tmp_path / "metrics.jsonl"
    good = b'{"step": 1, "loss": 2.0}\n'
    path.write_bytes(good + b'\xff\xfe\n[1]\n{"step": 1e400}\n{"step": "x"}\n' + b"[" * 60_000 + b"\n")
    log = JsonLines(path, 1)
    log.write(2, {"loss": 1.0})
    log.close()
    assert path.read_bytes() == good + b'{"step": 2, "loss": 1.0}\n'
