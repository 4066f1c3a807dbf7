"""`zoetrope validate` on a runner gives the report of the local one, line by line, and the same exit codes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from part_job import part_job, run_parts

from pipelines.output.validate import validate
from pipelines.running.validation import validate_on_runner
from schemas.errors import ConfigError
from schemas.manifest import MANIFEST_FILE
from storage.tables import read_manifest
from zoetrope import cli

RUNNER = ["--runner=FnApiRunner"]


def damage(output: Path) -> None:
    """One problem of each kind: cut off, gone, bytes changed, not listed, not indexed, indexed alone."""
    os.truncate(output / "00000.tar", 2048)
    os.remove(output / "00001.tar")
    data = bytearray((output / "00002.tar").read_bytes())
    data[600] ^= 255
    (output / "00002.tar").write_bytes(data)
    shutil.copy(output / "00003.tar", output / "00009.tar")
    manifest = pq.read_table(output / MANIFEST_FILE)
    pq.write_table(manifest.slice(0, 4), output / MANIFEST_FILE)
    samples = pq.read_table(output / "samples" / "00001.parquet")
    pq.write_table(samples.slice(0, 4), output / "samples" / "00001.parquet")  # of task 2; those of task 3 go


def test_the_report_is_that_of_the_local_check(tmp_path):
    run_parts(tmp_path, part_job(5, 4))
    assert validate_on_runner(str(tmp_path), RUNNER, decode=False) == validate(str(tmp_path), decode=False)
    damage(tmp_path)
    here, there = validate(str(tmp_path)), validate_on_runner(str(tmp_path), RUNNER)
    assert there == here
    text = "\n".join(there.problems)
    for said in (
        "00000.tar: not what the manifest says",
        "00001.tar: cannot be opened",
        "00002.tar: not what the manifest says: sha256",
        "00009.tar: not in manifest.parquet",
        "samples.parquet: names 00004.tar, which manifest.parquet does not",
        "samples.parquet: has no rows for 00003.tar",
        "sizes.json: does not agree",
    ):
        assert said in text
    assert len(read_manifest(str(tmp_path))) == there.shards
    assert not list((tmp_path / "_zoetrope").glob("validation*")), "the report was read and removed"


def test_the_command_exits_with_the_codes_of_the_local_one(animated, tmp_path, capsys):
    output = tmp_path / "clips"
    shutil.copytree(animated("folder"), output)
    capsys.readouterr()
    for options in ([], ["--", *RUNNER]):
        assert cli.main(["validate", str(output), *options]) == 0
    here, there = capsys.readouterr().out.splitlines()
    assert here == there
    os.remove(output / "00000.tar")
    for options in ([], ["--", *RUNNER]):
        assert cli.main(["validate", str(output), *options]) == 1
    shown = capsys.readouterr()
    here, there = shown.out.splitlines()
    assert here == there
    assert "1 problem in 2 shards; delete the files that are named, and run the command that" in shown.err
    shutil.rmtree(output / "_zoetrope")  # as of `zoetrope merge`
    assert cli.main(["validate", str(output)]) == 1
    assert "restore the files that are named" in capsys.readouterr().err
    assert cli.main(["validate", str(tmp_path / "nothing"), "--", *RUNNER]) == 2
    assert "no manifest there" in capsys.readouterr().err


def test_workers_are_for_this_machine(tmp_path, capsys):
    assert cli.main(["validate", str(tmp_path), "--workers", "2", "--", *RUNNER]) == 2
    assert "--workers: it is for this machine" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="--rnner is not known"):
        validate_on_runner(str(tmp_path), ["--rnner=FnApiRunner"])
