"""Runs are found below folders, and say how far they are."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import yaml

from preview.runs.read import GOING, find_runs, read_runs
from schemas.errors import ConfigError


def make_run(folder: Path, steps: int = 3, ago: float = 0.0, **config) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"max_steps": 10, "global_batch_size": 8, **config}))
    records = [{"step": step, "loss": 1 / step, "eta_s": 60.0 * (10 - step)} for step in range(1, steps + 1)]
    log = folder / "metrics.jsonl"
    log.write_text("".join(json.dumps(record) + "\n" for record in records))
    os.utime(log, (time.time() - ago,) * 2)
    return folder


def test_runs_are_found_at_any_depth_with_names_below_their_common_folder(tmp_path: Path) -> None:
    for name in ("a", "b/c", "b/d"):
        make_run(tmp_path / "runs" / name)
    (tmp_path / "runs" / "a" / "last").symlink_to(tmp_path / "runs" / "b")
    assert [run.name for run in read_runs([str(tmp_path / "runs")])] == ["a", "b/c", "b/d"]
    one = [str(tmp_path / "runs" / "a" / "metrics.jsonl")]
    assert [run.name for run in read_runs(one)] == ["a"]
    assert len(find_runs([*one, str(tmp_path / "runs")])) == 3


@pytest.mark.parametrize("place", ["empty", "missing"])
def test_a_place_without_a_run_is_one_line(tmp_path: Path, place: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"no run is here \(no metrics.jsonl\)"):
        find_runs([str(tmp_path / place)])


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"steps": 10}, "finished, step 10 of 10"),
        ({"steps": 10, "ago": 10 * GOING}, "finished, step 10 of 10"),
        ({"steps": 3}, "going, step 3 of 10, about "),
        ({"steps": 3, "ago": 2 * GOING}, "step 3 of 10, last record 30m "),
        ({"steps": 0}, "no record yet"),
        ({"steps": 3, "max_steps": None, "max_samples": 25}, "going, step 3 of 4, about "),
        ({"steps": 3, "max_steps": "x"}, "going, step 3, about "),
    ],
)
def test_a_run_says_how_far_it_is(tmp_path: Path, changes: dict, status: str) -> None:
    make_run(tmp_path / "run", **changes)
    (run,) = read_runs([str(tmp_path)])
    assert run.status.startswith(status)
    assert run.notes == ()


def test_what_is_left_of_a_run_shrinks_with_the_time_since_its_last_record(tmp_path: Path) -> None:
    make_run(tmp_path / "run", ago=300.0)
    (run,) = read_runs([str(tmp_path)])
    assert run.status in (
        f"going, step 3 of 10, about {left} left" for left in ("2m 00s", "1m 59s", "1m 58s")
    )


def test_what_cannot_be_read_is_a_note(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    with (folder / "metrics.jsonl").open("ab") as log:
        log.write(b"\xff\xff\nnothing\n")
    (folder / "config.yaml").write_text("a: [")
    (run,) = read_runs([str(tmp_path)])
    assert run.last_step == 3
    assert run.config == {}
    assert run.notes[0] == "metrics.jsonl: skipped 2 lines without a record; the first is line 4"
    assert run.notes[1].startswith("config.yaml cannot be read: ")
    (folder / "config.yaml").unlink()
    assert read_runs([str(tmp_path)])[0].notes[1].startswith("no config.yaml")
