"""Plans of retries: which task each repeats, kept in runs; damaged and older files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.output.folder import Output
from pipelines.output.retries import (
    Retries,
    drop_retries,
    plans_left,
    read_retries,
    rows_of_plan,
    to_runs,
    write_plan,
)
from schemas.errors import ConfigError


def rows(*pairs: tuple[int, int]) -> list[dict[str, object]]:
    return [
        {"index": retry, "origin": origin, "samples": 1, "payload": {}, "keys": ["a"]}
        for retry, origin in pairs
    ]


def test_pairs_that_count_up_together_are_one_run():
    pairs = [(10, 0), (11, 1), (12, 5), (13, 6), (15, 8)]
    assert list(to_runs(pairs)) == [(10, 0, 2), (12, 5, 2), (15, 8, 1)]
    assert list(Retries(tuple(to_runs(pairs))).pairs()) == pairs


def test_a_part_knows_the_retries_of_its_tasks_and_those_of_the_same_origin():
    retries = Retries(tuple(to_runs([(10, 0), (11, 3), (12, 0)])))
    found = retries.by_part({10, 12}, 2)  # task 11 is not done
    assert found == {0: ((10, 0, 1), (12, 0, 1)), 5: ((10, 0, 1), (12, 0, 1)), 6: ((10, 0, 1), (12, 0, 1))}


def test_a_plan_is_written_with_its_origins_and_read_without_them(tmp_path):
    output = Output(str(tmp_path))
    assert write_plan(output, "00000010", rows((10, 0), (11, 1))) == 2
    assert write_plan(output, "00000012", rows((12, 0))) == 1
    expected = [(10, 0), (11, 1), (12, 0)]
    assert list(read_retries(output).pairs()) == expected
    for path in Path(output.state("retries")).glob("*.origins.json"):
        path.unlink()
    assert list(read_retries(output).pairs()) == expected, "an output of an earlier version"
    assert [Path(path).name for path in plans_left(output, {10, 11})] == ["00000012.jsonl"]


def test_a_plan_that_replaces_another_is_never_read_with_the_origins_of_that(tmp_path, monkeypatch):
    output = Output(str(tmp_path))
    write_plan(output, "00000010", rows((10, 0), (11, 1)))

    def killed(path: str, data: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.output.retries.write_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        write_plan(output, "00000010", rows((10, 4)))
    assert list(read_retries(output).pairs()) == [(10, 4)]


def test_a_plan_without_tasks_is_no_file(tmp_path):
    output = Output(str(tmp_path))
    assert write_plan(output, "00000010", []) == 0
    assert not Path(output.state("retries")).exists()


def test_retries_of_lost_tasks_are_dropped(tmp_path):
    output = Output(str(tmp_path))
    write_plan(output, "00000010", rows((10, 0), (11, 1)))
    write_plan(output, "00000012", rows((12, 0)))
    drop_retries(output, {0})
    assert list(read_retries(output).pairs()) == [(11, 1)]
    assert [row["index"] for row in rows_of_plan(output.state("retries", "00000010.jsonl"))] == [11]
    assert sorted(path.name for path in Path(output.state("retries")).iterdir()) == [
        "00000010.jsonl",
        "00000010.origins.json",
    ]


@pytest.mark.parametrize("name", ["00000010.jsonl", "00000010.origins.json"])
def test_a_damaged_file_is_named(tmp_path, name):
    output = Output(str(tmp_path))
    write_plan(output, "00000010", rows((10, 0)))
    if name.endswith("jsonl"):
        Path(output.state("retries", "00000010.origins.json")).unlink()
    Path(output.state("retries", name)).write_text('{"index": 1')
    with pytest.raises(ConfigError, match=rf"{name}: .*damaged"):
        read_retries(output)


@pytest.mark.parametrize(
    "runs", ["[[0, 0, 1000000000000000]]", "[[-1, 0, 1]]", '[["0", 0, 1]]', "{}", "[[1]]"]
)
def test_runs_that_no_plan_has_are_damage(tmp_path, runs):
    output = Output(str(tmp_path))
    write_plan(output, "00000010", rows((10, 0)))
    Path(output.state("retries", "00000010.origins.json")).write_text(runs)
    with pytest.raises(ConfigError, match=r"00000010\.origins\.json: damaged"):
        read_retries(output)


@pytest.mark.parametrize("line", ['{"index": "x", "origin": 0}', '{"index": 1, "origin": -1}', "[1]", "5"])
def test_a_line_that_is_no_task_is_damage(tmp_path, line):
    output = Output(str(tmp_path))
    write_plan(output, "00000010", rows((10, 0)))
    Path(output.state("retries", "00000010.origins.json")).unlink()
    Path(output.state("retries", "00000010.jsonl")).write_text(line + "\n")
    with pytest.raises(ConfigError, match=r"00000010\.jsonl: line 1 is damaged"):
        read_retries(output)
