"""A shard that was deleted or cut off after its task was done is made again, and no input has two rows."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_job import tiny_job

from pipelines.animate import animate
from pipelines.config import AnimateConfig
from pipelines.making.config import ShardConfig
from pipelines.output.folder import Output
from pipelines.output.listing import list_output
from pipelines.output.lost import forget_lost
from pipelines.output.records import read_head, read_record
from pipelines.output.retries import Retries
from pipelines.retry import retry
from schemas.errors import ConfigError, JobError
from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from tests.pipelines.running.test_graph import leftovers, run, shards
from tests.pipelines.test_retry import begun, kept, rows  # noqa: F401 (fixtures)


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("cut", [True, False])
def test_a_lost_shard_is_made_again(tmp_path, caplog, finished, cut):
    run(tmp_path)
    whole = shards(tmp_path)
    if not finished:
        os.remove(tmp_path / "_zoetrope" / "finished.json")
    if cut:
        os.truncate(tmp_path / "00002.tar", 1000)
    else:
        os.remove(tmp_path / "00002.tar")
    result = run(tmp_path)
    assert "shards of 1 task are gone or cut off (task 2)" in caplog.text
    assert (result.written, result.resumed, result.totals.off_by) == (5, 15, 0)
    assert shards(tmp_path) == whole
    assert not leftovers(tmp_path)
    assert run(tmp_path).nothing_made


@pytest.mark.parametrize(("column", "value"), [("bytes", -1), ("bytes", 2**62), ("shard", "../00009.tar")])
def test_a_damaged_manifest_costs_no_shard(tmp_path, caplog, column, value):
    run(tmp_path)
    whole, manifest = shards(tmp_path), (tmp_path / "manifest.parquet").read_bytes()
    stamps = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.tar")}
    table = pq.read_table(tmp_path / "manifest.parquet")
    at = table.column_names.index(column)
    kind = table.schema.field(column).type
    damaged = table.set_column(at, column, pa.array([value] * table.num_rows, kind))
    pq.write_table(damaged, tmp_path / "manifest.parquet")
    result = run(tmp_path)
    assert "manifest.parquet does not fit the shards of 4 tasks" in caplog.text
    assert (result.written, result.resumed, result.totals.off_by) == (0, 20, 0)
    assert shards(tmp_path) == whole
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.tar")} == stamps
    assert (tmp_path / "manifest.parquet").read_bytes() == manifest


@pytest.mark.parametrize("part", ["kept", "lost"])
def test_a_wrong_size_in_a_record_costs_no_shard(tmp_path, caplog, part):
    """The SHA-256 in the record shows that the shard is whole."""
    run(tmp_path)
    whole, manifest = shards(tmp_path), (tmp_path / "manifest.parquet").read_bytes()
    stamps = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.tar")}
    with_record(tmp_path, lambda row: replace(row, bytes=row.bytes ^ 0x40))
    os.remove(tmp_path / "_zoetrope" / "finished.json")
    if part == "lost":
        shutil.rmtree(tmp_path / "_zoetrope" / "parts")
    os.remove(tmp_path / "manifest.parquet")
    result = run(tmp_path)
    assert (result.written, result.resumed, result.totals.off_by) == (0, 20, 0)
    if part == "lost":
        assert "00002.parquet: its sizes of shards are wrong, and their SHA-256 is right" in caplog.text
    assert shards(tmp_path) == whole
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.tar")} == stamps
    assert (tmp_path / "manifest.parquet").read_bytes() == manifest
    assert run(tmp_path).nothing_made


def with_record(folder, change):
    """Write the record of task 2 again, with its rows of shards changed."""
    output = Output(str(folder))
    record = read_record(output, 2)
    head = read_head(output, 2)
    changed = replace(record, shards=tuple(change(row) for row in record.shards))
    (folder / "_zoetrope" / "records" / "00002.parquet").write_bytes(changed.to_bytes(head.attempt))


def test_a_wrong_size_in_a_record_does_not_save_a_cut_off_shard(tmp_path):
    run(tmp_path)
    whole = shards(tmp_path)
    with_record(tmp_path, lambda row: replace(row, bytes=row.bytes ^ 0x40))
    os.truncate(tmp_path / "00002.tar", 1000)
    assert run(tmp_path).written == 5
    assert shards(tmp_path) == whole


def test_a_lost_folder_of_records_costs_no_shard(tmp_path):
    out, away = tmp_path / "out", tmp_path / "away"
    run(out)
    whole = shards(out)
    os.rename(out / "_zoetrope" / "records", away)
    with pytest.raises(
        ConfigError, match=r"4 shards without a record, because .*records is gone; restore it"
    ):
        run(out)
    assert shards(out) == whole
    os.rename(away, out / "_zoetrope" / "records")
    assert run(out).nothing_made


@pytest.mark.parametrize("name", ["_zoetrope", "_zoetrope/records", "_zoetrope/parts", "samples"])
def test_a_linked_folder_in_an_output_costs_no_shard(tmp_path, name):
    """A listing does not follow links, so that every task would count as not done."""
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    run(out)
    whole = shards(out)
    if (out / name).exists():
        os.replace(out / name, elsewhere)
    os.symlink(elsewhere, out / name)
    files = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match=f"out: {name} is a link; move the folder that it names"):
        run(out)
    with pytest.raises(ConfigError, match="is a link"):
        run(out, overwrite=True)
    assert shards(out) == whole
    assert sorted(tmp_path.rglob("*")) == files


def test_an_output_may_be_a_link(tmp_path):
    disk, out = tmp_path / "disk", tmp_path / "out"
    disk.mkdir()
    os.symlink(disk, out)
    run(out)
    os.remove(disk / "00002.tar")
    assert run(out).written == 5
    assert run(out).nothing_made
    assert out.is_symlink()
    assert sorted(shards(disk)) == ["00000.tar", "00001.tar", "00002.tar", "00003.tar"]


def test_lost_shards_take_the_last_retry_plan_with_them(begun):  # noqa: F811
    output, _, _ = begun
    retry(str(output))
    for shard in output.glob("*.tar"):
        shard.unlink()
    config = AnimateConfig.make(Output(str(output)).read_job()["config"])
    assert animate(config).totals.off_by == 0
    assert not list((output / "_zoetrope" / "retries").iterdir())


def test_a_task_that_made_no_shard_is_not_lost(tmp_path):
    from tiny_job import TinyMaker

    run(tmp_path, tiny_job(3, 5, maker=TinyMaker(fails=1)))
    assert run(tmp_path, tiny_job(3, 5, maker=TinyMaker(fails=1))).nothing_made


def test_remade_after_a_retry_every_input_still_stands_once(begun):  # noqa: F811
    output, _, good = begun
    for path, data in good.items():
        path.write_bytes(data)
    assert retry(str(output)).totals.written == 6
    os.remove(output / "00000.tar")
    config = AnimateConfig.make(Output(str(output)).read_job()["config"])
    result = animate(config)
    assert (result.totals.written, result.totals.failed, result.totals.off_by) == (6, 0, 0)
    keys = rows(output, SAMPLES_FILE)
    assert len(set(keys)) == len(keys) == 6
    assert sorted(shards(output)) == ["00000.tar", "00001.tar", "00003.tar"]
    assert retry(str(output)).nothing_made


def test_a_lost_shard_of_a_retry_counts_as_failed_until_it_is_retried(begun):  # noqa: F811
    output, _, good = begun
    for path, data in good.items():
        path.write_bytes(data)
    retry(str(output))
    os.remove(output / "00003.tar")
    result = animate(AnimateConfig.make(Output(str(output)).read_job()["config"]))
    assert (result.totals.written, result.totals.failed, result.totals.off_by) == (5, 1, 0)
    assert len(rows(output, FAILURES_FILE)) == 1
    assert retry(str(output)).totals.written == 6


def test_a_resume_begins_without_reading_a_record(tmp_path, monkeypatch):
    run(tmp_path)
    (tmp_path / "_zoetrope" / "finished.json").unlink()
    output = Output(str(tmp_path))
    os.remove(output.record_path(2))
    shutil.rmtree(tmp_path / "_zoetrope" / "parts")
    monkeypatch.setattr("pipelines.output.lost.find_head", None)
    assert forget_lost(output, list_output(output), (), Retries(), 1000) == []
    monkeypatch.undo()
    result = run(tmp_path)
    assert (result.written, result.resumed, result.totals.off_by) == (5, 15, 0)


def test_a_further_shard_of_a_task_that_is_gone_is_noticed(tmp_path):
    job = replace(tiny_job(3, 10), shard=ShardConfig(max_samples=4))
    run(tmp_path, job)
    whole = shards(tmp_path)
    assert len(whole) == 9
    (tmp_path / "_zoetrope" / "finished.json").unlink()
    os.remove(tmp_path / "00001-002.tar")
    assert run(tmp_path, job).written == 10
    assert shards(tmp_path) == whole


def test_a_last_shard_that_only_its_record_knows_of_is_missed_at_the_end(tmp_path):
    """Neither names nor sizes show it, and no part is folded: the end finds it, and the next run makes it."""
    job = replace(tiny_job(3, 10), shard=ShardConfig(max_samples=4))
    run(tmp_path, job)
    whole = shards(tmp_path)
    shutil.rmtree(tmp_path / "_zoetrope" / "parts")
    (tmp_path / "_zoetrope" / "finished.json").unlink()
    os.remove(tmp_path / "00001-002.tar")
    with pytest.raises(
        JobError, match=r"shards of 1 task are gone .* \(task 1\); run the same command again"
    ):
        run(tmp_path, job)
    assert run(tmp_path, job).written == 10
    assert shards(tmp_path) == whole


EMPTIED = (
    "manifest.parquet",
    "samples.parquet",
    "failures.parquet",
    "sizes.json",
    "croissant.json",
    "_zoetrope/finished.json",
    "_zoetrope/records/00001.parquet",
    "_zoetrope/parts/*.parquet",
)


@pytest.mark.parametrize("pattern", EMPTIED)
def test_a_file_that_a_power_cut_emptied_is_mended_by_the_same_command(tmp_path, caplog, pattern):
    run(tmp_path)
    whole = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    (emptied,) = tmp_path.glob(pattern)
    emptied.write_bytes(b"")
    result = run(tmp_path)
    assert f"made again: {emptied.relative_to(tmp_path)}" in caplog.text
    assert result.totals.off_by == 0
    now = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert now.keys() == whole.keys()
    assert [path.name for path in whole if now[path] != whole[path] and path != emptied] == []
    assert emptied.stat().st_size
    assert run(tmp_path).nothing_made
