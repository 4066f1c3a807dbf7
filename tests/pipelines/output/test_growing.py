"""An output grows with a raised source.limit: what is there stays, what is new is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_job import TinyMaker, tiny_job

from pipelines.output.folder import Output
from pipelines.output.job import Job, has_grown
from pipelines.output.prepare import tasks_again
from pipelines.running.submit import run_job
from schemas.errors import ConfigError
from schemas.records import Task
from storage.tables import read_manifest


def limited(limit: int | None, *, inputs: int = 23, samples: int = 5, **identity) -> Job:
    """A job over the first so many of 23 inputs, in tasks of five."""
    count = inputs if limit is None else min(limit, inputs)
    starts = range(0, count, samples)
    tasks = [
        Task(i, min(samples, count - start), {"start": start, "count": min(samples, count - start)})
        for i, start in enumerate(starts)
    ]
    identity = {"samples": samples, "source.limit": limit, **identity}
    return replace(tiny_job(maker=TinyMaker(fails=7)), identity=identity, tasks=lambda: iter(tasks))


def run(job: Job, output: Path):
    return run_job(job, Output(str(output)), workers=1, overwrite=False, max_failure_ratio=1.0)


def shards(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(output.glob("*.tar"))}


def test_a_raised_limit_makes_the_new_inputs_and_the_last_task_alone(tmp_path):
    run(limited(12), tmp_path / "out")
    before = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in shards(tmp_path / "out")}
    assert tasks_again(Output(str(tmp_path / "out")), limited(18)) == {2}
    assert run(limited(18), tmp_path / "out").totals.inputs == 18
    assert run(limited(None), tmp_path / "out").totals.inputs == 23
    run(limited(None), tmp_path / "whole")
    assert shards(tmp_path / "out") == shards(tmp_path / "whole")
    for table in ("samples.parquet", "failures.parquet", "sizes.json"):
        assert (tmp_path / "out" / table).read_bytes() == (tmp_path / "whole" / table).read_bytes()
    for name in ("00000.tar", "00001.tar"):  # not made again
        assert (tmp_path / "out" / name).stat().st_mtime_ns == before[name]
    assert sum(row.samples for row in read_manifest(str(tmp_path / "out"))) == 23 - 4


@pytest.mark.parametrize("made_before", [3, 2])
def test_a_growth_that_is_killed_before_it_is_planned_takes_back_one_task_only(tmp_path, made_before):
    run(limited(12), tmp_path)
    if made_before == 2:  # the first job was killed too
        next((tmp_path / "_zoetrope" / "records").glob("00002.*")).unlink()
    kept = {name: (tmp_path / name).stat().st_mtime_ns for name in ("00000.tar", "00001.tar")}

    def killed() -> Iterator[Task]:
        raise KeyboardInterrupt
        yield

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(replace(limited(18), tasks=killed), tmp_path)
    assert run(limited(18), tmp_path).totals.inputs == 18
    assert kept == {name: (tmp_path / name).stat().st_mtime_ns for name in kept}


def test_a_grown_output_is_finished_when_the_command_is_repeated(tmp_path):
    run(limited(12), tmp_path)
    run(limited(18), tmp_path)
    assert tasks_again(Output(str(tmp_path)), limited(18)) == set()
    assert run(limited(18), tmp_path).written == 0


@pytest.mark.parametrize("job", [limited(4), limited(18, seed=1), limited(None, seed=1)])
def test_a_lower_limit_or_another_change_is_refused_as_before(tmp_path, job):
    run(limited(12), tmp_path)
    whole = shards(tmp_path)
    with pytest.raises(ConfigError, match="started with another config"):
        run(job, tmp_path)
    assert shards(tmp_path) == whole


def test_an_output_with_retried_inputs_does_not_grow(tmp_path):
    """Retries have the numbers that follow the plan's, so new tasks would collide with them."""
    run(limited(12), tmp_path)
    (tmp_path / "_zoetrope" / "retries").mkdir(exist_ok=True)
    (tmp_path / "_zoetrope" / "retries" / "00000003.jsonl").write_text("")
    with pytest.raises(ConfigError, match=r"source\.limit was 12 and is 18"):
        run(limited(18), tmp_path)


def test_only_a_higher_limit_is_growth():
    before = {"source.limit": 5, "seed": 0}
    assert has_grown(before, {"source.limit": 6, "seed": 0})
    assert has_grown(before, {"source.limit": None, "seed": 0})
    assert not has_grown(before, {"source.limit": 5, "seed": 0})
    assert not has_grown(before, {"source.limit": 6, "seed": 1})
    assert not has_grown({"source.limit": None}, {"source.limit": 6})
