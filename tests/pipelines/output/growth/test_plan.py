"""An output grows with its source: kills, retries, outputs of an earlier version, refusals."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from grown import run, shards, small_job

from pipelines.dry_run import Glimpse, dry_run
from pipelines.output.finish import Totals
from pipelines.output.folder import Output
from pipelines.output.growth.plan import refusal
from pipelines.output.job import Job
from pipelines.retry import retry_tasks
from schemas.errors import ConfigError, JobError
from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from storage.tables import iter_rows
from tests.pipelines.sources.growth.test_rows import picture


def job_of(folder: Path, **fields) -> Job:
    return small_job(kind="folder", uri=folder, **fields)


@pytest.fixture
def begun(tmp_path) -> tuple[Path, Path]:
    """An output of five pictures in three shards, of which `d` has no caption."""
    folder, output = tmp_path / "pictures", tmp_path / "clips"
    folder.mkdir()
    for name in "bcdef":
        picture(folder, name, None if name == "d" else f"caption of {name}")
    run(job_of(folder), output)
    return folder, output


def names(output: Path, table: str) -> list[str]:
    return [row["key"].rpartition("-")[2] for row in iter_rows(str(output), table)]


def retry(folder: Path, output: Path) -> Totals:
    job = job_of(folder)
    assert job.source is not None
    place, source = Output(str(output)), job.source
    again = replace(job, tasks=lambda: retry_tasks(place, job, source, frozenset()), is_retry=True)
    return run(again, output).totals


def test_new_pictures_are_made_and_nothing_else_is_touched(begun):
    folder, output = begun
    before = shards(output)
    times = {path.name: path.stat().st_mtime_ns for path in output.glob("*.tar")}
    picture(folder, "a")
    picture(folder, "g")
    result = run(job_of(folder), output)
    assert (result.written, result.resumed, result.totals.inputs) == (2, 4, 7)
    assert {**shards(output), **before} == shards(output)
    assert {name: (output / name).stat().st_mtime_ns for name in times} == times
    assert sorted(set(shards(output)) - set(before)) == ["00003.tar"]
    assert names(output, SAMPLES_FILE) == ["b", "c", "e", "f", "a", "g"]
    assert run(job_of(folder), output).nothing_made


def test_the_plan_says_how_many_are_new(begun):
    folder, output = begun
    for name in "axyz":
        picture(folder, name)
    job = job_of(folder)
    place, words = Output(str(output)), {"source": "", "store": "", "runner": ""}
    before = sorted(path for path in output.rglob("*"))
    plan = dry_run(job, place, lambda task: Glimpse([], None), **words)
    assert (plan.tasks, plan.left, plan.new_tasks, plan.new_inputs, plan.inputs) == (5, 2, 2, 4, 9)
    assert sorted(path for path in output.rglob("*")) == before


def test_growth_after_retry_and_retry_after_growth(begun):
    folder, output = begun
    picture(folder, "d", "now there")
    assert retry(folder, output).failed == 0
    picture(folder, "a", None)
    picture(folder, "g")
    assert run(job_of(folder), output).totals.failed == 1
    assert Output(str(output)).read_plan().numbers() == ((0, 3), (4, 1))
    picture(folder, "a", "now there too")
    picture(folder, "h")  # a retry makes what failed, and nothing new
    assert retry(folder, output).failed == 0
    assert sorted(names(output, SAMPLES_FILE)) == sorted("abcdefg")
    assert run(job_of(folder), output).written == 1
    assert sorted(shards(output)) == [f"{task:05d}.tar" for task in range(7)]
    assert len({row["key"] for row in iter_rows(str(output), SAMPLES_FILE)}) == 8
    assert names(output, FAILURES_FILE) == []
    assert run(job_of(folder), output).nothing_made


def test_another_file_among_the_marks_is_passed_over(begun):
    folder, output = begun
    (output / "_zoetrope" / "inputs" / ".DS_Store").touch()
    picture(folder, "d")
    assert retry(folder, output).failed == 0
    picture(folder, "a")
    assert run(job_of(folder), output).totals.written == 6


def test_a_growth_that_was_cut_off_goes_on(begun, monkeypatch):
    from grown import SmallMaker

    folder, output = begun
    before = shards(output)
    for name in "axyz":
        picture(folder, name)
    real = SmallMaker.make

    def dying(self, task, times):
        if task.index == 4:
            raise OSError("the power went")
        return real(self, task, times)

    monkeypatch.setattr(SmallMaker, "make", dying)
    with pytest.raises(JobError, match="the power went"):
        run(job_of(folder), output)
    with pytest.raises(ConfigError, match="its job is not finished"):
        retry(folder, output)
    monkeypatch.setattr(SmallMaker, "make", real)
    picture(folder, "g")  # a further growth in between
    result = run(job_of(folder), output)
    assert result.totals.inputs == 10
    assert {**shards(output), **before} == shards(output)
    assert names(output, SAMPLES_FILE) == ["b", "c", "e", "f", "a", "x", "y", "z", "g"]


def test_an_output_of_an_earlier_version_grows_by_files_that_sort_last(begun):
    folder, output = begun
    shutil.rmtree(output / "_zoetrope" / "inputs")
    before = shards(output)
    picture(folder, "g")
    assert run(job_of(folder), output).totals.inputs == 6
    assert {**shards(output), **before} == shards(output)
    assert len(list((output / "_zoetrope" / "inputs").iterdir())) == 2
    picture(folder, "a")
    assert run(job_of(folder), output).totals.inputs == 7


def test_an_output_of_an_earlier_version_refuses_what_it_cannot_check(begun):
    folder, output = begun
    shutil.rmtree(output / "_zoetrope" / "inputs")
    picture(folder, "a")
    with pytest.raises(ConfigError, match="started with another config: source was 9 files"):
        run(job_of(folder), output)


@pytest.mark.parametrize("fields", [{"seed": 1}, {"limit": 3}, {"caption_column": "text"}])
def test_another_change_is_refused_as_before(begun, fields):
    folder, output = begun
    picture(folder, "g")
    if "caption_column" in fields:
        (folder / "b.jpg").unlink()
    whole = {path: path.read_bytes() for path in sorted(output.rglob("*.*")) if path.is_file()}
    with pytest.raises(ConfigError, match=r"started with another config|b\.jpg: it has gone"):
        run(job_of(folder, **fields), output)
    assert {path: path.read_bytes() for path in sorted(output.rglob("*.*")) if path.is_file()} == whole


def test_a_raised_limit_after_a_retry_makes_the_new_inputs_alone(tmp_path):
    folder, output = tmp_path / "pictures", tmp_path / "clips"
    folder.mkdir()
    for name in "abcdef":
        picture(folder, name, None if name == "a" else "a caption")
    run(job_of(folder, limit=3), output)
    picture(folder, "a")
    job = job_of(folder, limit=3)
    assert job.source is not None
    place, source = Output(str(output)), job.source
    retried = replace(job, tasks=lambda: retry_tasks(place, job, source, frozenset()), is_retry=True)
    assert run(retried, output).totals.failed == 0
    before = shards(output)
    assert run(job_of(folder), output).totals.written == 6
    assert {**shards(output), **before} == shards(output)
    assert sorted(names(output, SAMPLES_FILE)) == list("abcdef")


def test_a_retry_is_named_for_a_changed_source_and_not_for_another_kind():
    output = Output("clips")
    assert "zoetrope retry" in str(refusal(output, ["source was 2 files and is 3 files"]))
    other = ['source.kind was "folder" and is "tars"', "source was 2 files and is 3 files"]
    assert "zoetrope retry" not in str(refusal(output, other))
