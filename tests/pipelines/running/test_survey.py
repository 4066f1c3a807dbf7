"""The pass over the whole input: in Beam with marks that are given, and as a part of a job."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import apache_beam as beam
import cv2
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from skimage import data
from tiny_job import TinyMaker, tiny_job
from waiting import wait_until

from pipelines.curation.verdicts import Verdict, read_verdicts
from pipelines.curation.whole import ExactDuplicates, Marks, NearDuplicates
from pipelines.output.folder import Output
from pipelines.output.job import Job, spool
from pipelines.running.survey import plan_survey
from pipelines.running.survey_stages import SurveySpec, build_survey
from pipelines.running.watch.progress import Progress
from schemas.errors import StopRequestedError
from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from schemas.records import Task
from storage.tables import iter_rows
from storage.write import create_file
from tests.pipelines.running.test_graph import run
from zoetrope import cli


@dataclass(frozen=True)
class Given:
    """Gives the marks of a task's payload, and notes each task that it was asked for."""

    notes: str
    name: str = field(default="")

    def setup(self) -> None:
        pass

    def close(self) -> None:
        pass

    def survey(self, task: Task) -> Iterator[tuple[str, Marks]]:
        Path(self.notes, f"asked-{task.index}").touch()
        for row, (exact, near) in enumerate(task.payload["rows"]):
            mark = None if near is None else near.to_bytes(8, "big")
            yield f"k{task.index}-{row}", (exact.encode().ljust(16), mark)


TASKS = [
    Task(0, 2, {"rows": [["a", 0b1111], ["b", 0b1111 << 40]]}),
    Task(1, 3, {"rows": [["a", None], ["c", 0b0111], ["d", (0b1111 << 40) + 1]]}),
    Task(2, 1, {"rows": [["a", 0b0110]]}),
]


def run_pass(tmp_path: Path, parts: int) -> dict[str, dict[str, Verdict]]:
    plan = str(tmp_path / "plan.jsonl")
    with create_file(plan) as stream:
        places = [place for _, place in spool(TASKS, stream, plan)]
    rules = (ExactDuplicates(), NearDuplicates(max_distance=1))
    spec = SurveySpec(str(tmp_path / "curation"), rules, parts)
    pipeline = beam.Pipeline(runner=FnApiRunner())
    build_survey(pipeline, Given(str(tmp_path)), spec, places)
    pipeline.run().wait_until_finish()
    folder = str(tmp_path / "curation")
    return {key: found for task in range(3) for key, found in read_verdicts(folder, task).items()}


EXPECTED = {
    "k0-0": {"exact_duplicates": Verdict(3, "k0-0"), "near_duplicates": Verdict(3, "k0-0")},
    "k0-1": {"near_duplicates": Verdict(2, "k0-1")},
    "k1-0": {"exact_duplicates": Verdict(3, "k0-0")},
    "k1-1": {"near_duplicates": Verdict(3, "k0-0")},
    "k1-2": {"near_duplicates": Verdict(2, "k0-1")},
    "k2-0": {"exact_duplicates": Verdict(3, "k0-0"), "near_duplicates": Verdict(3, "k0-0")},
}


def test_groups_are_found_over_tasks_in_any_number_of_parts_and_a_stopped_pass_goes_on(tmp_path):
    assert run_pass(tmp_path, 1) == EXPECTED
    for note in tmp_path.glob("asked-*"):
        note.unlink()
    shutil.rmtree(tmp_path / "curation" / "verdicts")
    (tmp_path / "curation" / "rows" / "00001.parquet").unlink()
    assert run_pass(tmp_path, 7) == EXPECTED
    assert [note.name for note in tmp_path.glob("asked-*")] == ["asked-1"]


def test_a_job_drops_repeats_and_accounts_for_each(tmp_path, capsys):
    coffee = data.coffee()
    pictures = {"a": coffee, "b": data.rocket(), "c": coffee, "d": cv2.resize(coffee, None, fx=0.7, fy=0.7)}
    (tmp_path / "in").mkdir()
    for name, picture in pictures.items():
        cv2.imwrite(str(tmp_path / "in" / f"{name}.png"), picture[..., ::-1])
        (tmp_path / "in" / f"{name}.txt").write_text("one caption for all")
    fields = [f"output={tmp_path}/out", "clip.size=32", "clip.frames=2", "workers=1", "shard.max_samples=2"]
    rules = "filters=[exact_duplicates, near_duplicates, {name: repeated_captions, max: 4}]"
    command = ["animate", str(tmp_path / "in"), *fields, rules]
    assert cli.main(command) == 0
    assert "a pass over 4 inputs first" in capsys.readouterr().err
    details = {row["key"][-1]: row["detail"] for row in iter_rows(str(tmp_path / "out"), FAILURES_FILE)}
    assert details == {
        "c": "exact_duplicates: repeats folder-00000000-a, the first of 2",
        "d": "near_duplicates: repeats folder-00000000-a, the first of 3",
    }
    scores = {
        row["key"][-1]: json.loads(row["scores"]) for row in iter_rows(str(tmp_path / "out"), SAMPLES_FILE)
    }
    assert scores["a"] == {"exact_duplicates": 2, "near_duplicates": 3, "repeated_captions": 4}
    assert scores["b"] == {"exact_duplicates": 1, "near_duplicates": 1, "repeated_captions": 4}
    assert cli.main(["retry", str(tmp_path / "out")]) == 0  # its tasks have other numbers
    again = {row["key"][-1]: row["detail"] for row in iter_rows(str(tmp_path / "out"), FAILURES_FILE)}
    assert again == details


@dataclass(frozen=True)
class Surveyed(TinyMaker):
    """Marks every sample alike. After the first task it waits for the file `gate`, if that is given."""

    device: str = "cpu"
    rows: str = ""
    gate: str = ""

    def survey(self, task: Task) -> Iterator[tuple[str, Marks]]:
        if self.gate and list(Path(self.rows).glob("*.parquet")):
            wait_until(Path(self.gate).exists)
        for number in range(task.samples):
            yield f"tiny-{task.index}-{number}", (bytes(16),)


def surveyed_job(maker: Surveyed | None = None, **identity) -> Job:
    return replace(tiny_job(3, 2, maker=maker or Surveyed(), **identity), whole=(ExactDuplicates(),))


def test_a_pass_that_ctrl_c_stops_continues_from_its_rows(tmp_path, monkeypatch):
    rows, gate = tmp_path / "_zoetrope" / "curation" / "rows", tmp_path.with_name("gate")

    def interrupted(self, written, failed):
        if list(rows.glob("*.parquet")):
            gate.touch()
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "update", interrupted)
        with pytest.raises(StopRequestedError):
            run(tmp_path, surveyed_job(Surveyed(rows=str(rows), gate=str(gate))))
    before = {path: path.stat().st_mtime_ns for path in rows.iterdir()}
    assert before
    run(tmp_path, surveyed_job())
    after = {path: path.stat().st_mtime_ns for path in rows.iterdir()}
    assert len(after) == 3
    assert before.items() <= after.items()


@pytest.mark.parametrize(("identity", "kept"), [({"size": 1}, True), ({"size": 2}, False)])
def test_rows_of_a_pass_with_other_settings_are_forgotten(tmp_path, identity, kept):
    output = Output(str(tmp_path))
    plan_survey(surveyed_job(size=1), output)
    rows = tmp_path / "_zoetrope" / "curation" / "rows" / "00000.parquet"
    rows.parent.mkdir()
    rows.touch()
    plan_survey(surveyed_job(**identity, **{"source.files": 7}), output)
    assert rows.exists() == kept
