"""Run again: what is missing is made, what is there stays, another config is refused."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from mode_bits import mode_bits_count
from tiny_job import TinyMaker, tiny_job

from pipelines.output.folder import Output
from pipelines.output.job import differences
from pipelines.running.submit import run_job
from schemas.errors import ConfigError, JobError, StopRequestedError
from tests.pipelines.running.test_graph import leftovers, run, shards


def stamps(output: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}


def test_a_finished_output_is_left_alone(tmp_path, caplog):
    caplog.set_level("INFO")
    run(tmp_path)
    before = stamps(tmp_path)
    result = run(tmp_path)
    assert "nothing is missing: 4 tasks done" in caplog.messages
    assert (result.written, result.resumed, result.exit_code, result.nothing_made) == (0, 20, 0, True)
    after = stamps(tmp_path)
    assert {name for name in after if after[name] != before.get(name)} <= {"config.json", "plan.json"}


@pytest.mark.parametrize("content", ["", "{}", '{"tasks": "x"}', "[" * 60_000])
def test_damaged_totals_are_counted_again_and_no_shard_changes(tmp_path, content):
    run(tmp_path)
    whole, before = shards(tmp_path), stamps(tmp_path)
    finished = tmp_path / "_zoetrope" / "finished.json"
    totals = finished.read_bytes()
    finished.write_text(content)
    assert run(tmp_path).exit_code == 0
    assert finished.read_bytes() == totals
    assert shards(tmp_path) == whole
    assert all(stamps(tmp_path)[name] == before[name] for name in before if name.endswith(".tar"))


def test_only_what_is_missing_is_made(tmp_path):
    run(tmp_path)
    whole, before = shards(tmp_path), stamps(tmp_path)
    os.remove(Output(str(tmp_path)).record_path(2))  # its shard now belongs to no task that is done
    result = run(tmp_path)
    assert (result.written, result.resumed) == (5, 15)
    assert shards(tmp_path) == whole
    after = stamps(tmp_path)
    assert all(
        after[name] == before[name] for name in ("00000.tar", "00001.tar", "00003.tar", "00001.parquet")
    )


def test_another_config_is_refused_with_the_field_and_both_values(tmp_path):
    run(tmp_path, tiny_job(seed=0))
    before = stamps(tmp_path)
    with pytest.raises(
        ConfigError, match=r"started with another config: seed was 0 and is 3; .*overwrite=true"
    ):
        run(tmp_path, tiny_job(seed=3))
    assert stamps(tmp_path) == before


def test_overwrite_removes_our_files_and_no_other(tmp_path):
    run(tmp_path, tiny_job(6, 5, seed=0))
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "mine.tar").write_text("mine")
    assert run(tmp_path, tiny_job(2, 5, seed=3), overwrite=True).written == 10
    assert sorted(shards(tmp_path)) == ["00000.tar", "00001.tar", "mine.tar"]
    assert (tmp_path / "notes.txt").exists()


def test_overwrite_replaces_an_output_whose_job_is_damaged(tmp_path):
    run(tmp_path, tiny_job(6, 5))
    (tmp_path / "_zoetrope" / "config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"config\.json: damaged .* or overwrite=true"):
        run(tmp_path, tiny_job(2, 5))
    assert run(tmp_path, tiny_job(2, 5), overwrite=True).written == 10
    assert sorted(shards(tmp_path)) == ["00000.tar", "00001.tar"]


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.doc").write_text("")
    with pytest.raises(ConfigError, match=r"holds files that are not this job's \(thesis\.doc, \.\.\.\)"):
        run(tmp_path, overwrite=True)
    assert os.listdir(tmp_path) == ["thesis.doc"]


def test_an_unknown_kind_of_address_is_one_line():
    with pytest.raises(ConfigError, match="no way to open nowhere:// addresses"):
        run_job(tiny_job(), Output("nowhere://bucket/x"), workers=1, overwrite=False, max_failure_ratio=1.0)


def test_an_empty_source_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="source: it holds no inputs"):
        run(tmp_path / "out", tiny_job(0))
    assert not (tmp_path / "out").exists()


def test_a_start_that_comes_to_nothing_leaves_an_empty_folder_as_it_was(tmp_path):
    """It may be a mount point, which cannot be removed, or have rights of its own."""
    with pytest.raises(ConfigError, match="source: it holds no inputs"):
        run(tmp_path, tiny_job(0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ConfigError("source: it has changed"), KeyboardInterrupt()])
def test_an_output_without_its_plan_keeps_its_shards_if_planning_fails(tmp_path, error):
    """A damaged plan.json is to be removed, as its message says: that must not cost the shards."""

    def tasks():
        raise error

    run(tmp_path)
    whole, plan = shards(tmp_path), tmp_path / "_zoetrope" / "plan.json"
    plan.unlink()
    with pytest.raises(type(error)):
        run(tmp_path, replace(tiny_job(), tasks=tasks))
    assert shards(tmp_path) == whole
    assert run(tmp_path).written == 0
    assert plan.exists()


def test_ctrl_c_in_a_thread_pool_stops_and_the_next_run_finishes(tmp_path, monkeypatch):
    from pipelines.running.watch.progress import Progress

    run(tmp_path / "whole", tiny_job(6, 20))
    real = Progress.update

    def interrupted(self, written, failed):
        real(self, written, failed)
        if written + failed > 50:  # tasks are made two at a time
            monkeypatch.setattr(Progress, "update", real)
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "update", interrupted)
    start = time.monotonic()
    with pytest.raises(StopRequestedError) as stopped:
        run(tmp_path / "out", tiny_job(6, 20, maker=TinyMaker(seconds=0.03)))
    assert stopped.value.clean
    assert time.monotonic() - start < 30
    assert not leftovers(tmp_path / "out")
    some = shards(tmp_path / "out")
    assert 0 < len(some) < 6
    result = run(tmp_path / "out", tiny_job(6, 20, maker=TinyMaker(seconds=0.0)))
    assert shards(tmp_path / "out") == shards(tmp_path / "whole")
    assert result.resumed == 20 * len(some)


def test_a_full_disk_is_one_line_and_a_later_run_goes_on(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mount.returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        with pytest.raises(
            JobError, match=r"the output cannot be written: .*No space left on device.*run the same command"
        ):
            run(disk / "out", tiny_job(8, 40))
        assert not leftovers(disk / "out")
        for name in shards(disk / "out"):
            assert Path(Output(str(disk / "out")).record_path(int(name[:5]))).exists(), (
                "no shard without its record"
            )
        subprocess.run(["mount", "-o", "remount,size=10m", str(disk)], check=True)
        run(disk / "out", tiny_job(8, 40))
        run(tmp_path / "whole", tiny_job(8, 40))
        assert shards(disk / "out") == shards(tmp_path / "whole")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_an_output_that_is_not_writable_is_one_line(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with mode_bits_count(), pytest.raises(JobError, match="Permission denied"):
            run(tmp_path / "out")
    finally:
        tmp_path.chmod(0o700)


def test_remains_of_a_dead_job_are_gone_after_the_next(tmp_path):
    run(tmp_path / "out")
    attempt = tmp_path / "out" / "_zoetrope" / "tmp" / "dead"
    attempt.mkdir(parents=True)
    (attempt / "000.tar").write_bytes(b"half")
    (tmp_path / "out" / "00009.tar").write_bytes(b"half")
    (tmp_path / "out" / "_zoetrope" / "lock").write_text("{}")  # nobody holds it
    run(tmp_path / "out")
    assert not leftovers(tmp_path / "out")
    assert len(shards(tmp_path / "out")) == 4


def test_a_setting_in_bytes_is_named_with_both_values():
    before = {"shard.max_bytes": 1, "source.task_bytes": None, "source.bytes": 10, "source.files": 1}
    now = {"shard.max_bytes": 2, "source.task_bytes": 5, "source.bytes": 20, "source.files": 2}
    assert differences(before, now) == [
        "shard.max_bytes was 1 and is 2",
        "source.task_bytes was null and is 5",
        "source was 1 file of 10 bytes and is 2 files of 20 bytes",
    ]
