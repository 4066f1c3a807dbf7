"""One part is a file, several are a folder; readers see the same rows, and a resume folds only what changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from part_job import part_job, run_parts
from tiny_job import TinyMaker, tiny_job

from pipelines.output import finish as finish_module
from pipelines.output.folder import Output
from pipelines.output.tables import places as places_module
from pipelines.output.validate import validate
from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from storage.tables import iter_rows, read_manifest
from storage.write import move_file
from tests.pipelines.running.test_graph import leftovers, run


def tables(output: Path) -> list[str]:
    return sorted(
        str(path.relative_to(output)) for path in output.rglob("*.parquet") if "_zoetrope" not in str(path)
    )


def rows(output: Path, table: str) -> list[str]:
    return [row["key"] for row in iter_rows(str(output), table)]


FOLDERS = ["manifest.parquet"] + [f"{t}/{n:05d}.parquet" for t in ("samples", "failures") for n in range(3)]


def test_many_tasks_make_folders_with_the_rows_of_the_single_file(tmp_path):
    run(tmp_path / "one", tiny_job(5, 4, maker=TinyMaker(fails=3)))
    run_parts(tmp_path / "many", part_job(5, 4, fails=3))
    assert tables(tmp_path / "one") == ["failures.parquet", "manifest.parquet", "samples.parquet"]
    assert tables(tmp_path / "many") == sorted(FOLDERS)
    for table in (SAMPLES_FILE, FAILURES_FILE):
        assert rows(tmp_path / "one", table) == rows(tmp_path / "many", table)
    assert validate(str(tmp_path / "many"), decode=False).shards == 5
    assert "`samples/*.parquet`" in (tmp_path / "many" / "README.md").read_text()
    assert not leftovers(tmp_path / "many")


def test_a_resume_folds_the_part_that_changed_and_no_other(tmp_path, monkeypatch):
    run_parts(tmp_path)
    before = {path: os.stat(tmp_path / path).st_mtime_ns for path in tables(tmp_path)}
    output = Output(str(tmp_path))
    os.remove(output.record_path(3))
    folded = []
    real = finish_module.fold_part
    monkeypatch.setattr(
        finish_module, "fold_part", lambda o, part: (folded.append(part.index), real(o, part))
    )
    assert run_parts(tmp_path).written == 4
    assert folded == [1]
    changed = {path for path in before if os.stat(tmp_path / path).st_mtime_ns != before[path]}
    assert changed == {"manifest.parquet", "samples/00001.parquet", "failures/00001.parquet"}
    assert run_parts(tmp_path).nothing_made


def test_studio_and_report_read_files_and_folders_alike(tmp_path):
    from preview.report.report import _random_rows
    from preview.report.summary import summarise
    from preview.studio.outputs.query import Query
    from preview.studio.outputs.view import OutputView

    one, many = str(tmp_path / "one"), str(tmp_path / "many")
    run(tmp_path / "one", tiny_job(5, 4, maker=TinyMaker(fails=3)))
    run_parts(many, part_job(5, 4, fails=3))
    assert summarise(one) == summarise(many)
    assert _random_rows(one, 7) == _random_rows(many, 7)
    views = OutputView(one), OutputView(many)
    assert len({view.rows for view in views}) == 1
    for query in (Query(), Query(caption="dot"), Query(caption="nothing")):
        first, second = (view.page(query, 2, 9) for view in views)
        assert first == second


def test_croissant_describes_the_folder(tmp_path):
    import mlcroissant as mlc

    run_parts(tmp_path, part_job(5, 4, fails=3))
    dataset = mlc.Dataset(jsonld=str(tmp_path / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    found = sorted(row["samples/key"].decode() for row in dataset.records("samples"))
    assert found == rows(tmp_path, SAMPLES_FILE)


@pytest.mark.parametrize("cut", range(7))
def test_an_end_that_is_killed_between_its_moves_is_finished_by_the_next_run(tmp_path, monkeypatch, cut):
    calls = []

    def dying(*arguments):
        calls.append(arguments)
        if len(calls) > cut:
            raise KeyboardInterrupt
        move_file(*arguments)

    with monkeypatch.context() as patch:
        for module in (places_module, finish_module):
            patch.setattr(module, "move_file", dying)
        with pytest.raises(KeyboardInterrupt):
            run_parts(tmp_path, part_job(5, 4, fails=3))
    run_parts(tmp_path, part_job(5, 4, fails=3))
    assert tables(tmp_path) == sorted(FOLDERS)
    assert len(rows(tmp_path, SAMPLES_FILE)) + len(rows(tmp_path, FAILURES_FILE)) == 20
    assert validate(str(tmp_path), decode=False).shards == 5


def test_a_table_that_was_deleted_is_written_again(tmp_path):
    run_parts(tmp_path)
    keys = rows(tmp_path, SAMPLES_FILE)
    os.remove(tmp_path / "samples" / "00001.parquet")
    os.remove(tmp_path / "_zoetrope" / "finished.json")
    run_parts(tmp_path)
    assert rows(tmp_path, SAMPLES_FILE) == keys


def test_the_single_file_of_an_earlier_version_becomes_a_folder(tmp_path):
    """An earlier version wrote one file, and folded nothing."""
    run_parts(tmp_path)
    keys = rows(tmp_path, SAMPLES_FILE)
    for path in [*(tmp_path / "samples").iterdir(), *(tmp_path / "failures").iterdir()]:
        path.unlink()
    for path in (tmp_path / "_zoetrope" / "parts").iterdir():
        path.unlink()
    for name in (SAMPLES_FILE, FAILURES_FILE):
        (tmp_path / name).write_bytes(b"of an earlier version")
    assert run_parts(tmp_path).nothing_made, "a finished output is left alone"
    os.remove(Output(str(tmp_path)).record_path(2))
    run_parts(tmp_path)
    assert tables(tmp_path) == sorted(FOLDERS)
    assert rows(tmp_path, SAMPLES_FILE) == keys
    assert [row.task for row in read_manifest(str(tmp_path))] == [0, 1, 2, 3, 4]
