"""Outputs merged and split: read back, validated, and never half-written."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from tiny_output import build_output

from pipelines.output.validate import validate
from pipelines.regroup import NewOutput, merge, side_of, split
from schemas.errors import ConfigError
from storage.shards.read import ShardError, iter_shard
from storage.tables import expand_shards, read_manifest
from zoetrope import cli

FAILED = {"key": "f", "stage": "fetch", "reason": "timeout", "detail": "slow", "url": None, "task": 0}


def samples_of(output: Path | str) -> dict[str, dict[str, bytes]]:
    return {sample.key: sample.members for uri in expand_shards(str(output)) for sample in iter_shard(uri)}


@pytest.fixture
def halves(tmp_path):
    """An output, and its two parts."""
    output = build_output(tmp_path / "clips", failures=[FAILED])
    parts = split(output, {"a": 1, "b": 1}, str(tmp_path / "parts"))
    return output, {name: str(tmp_path / "parts" / name) for name in parts}


def test_a_split_loses_and_repeats_nothing_and_each_part_is_valid(halves):
    output, parts = halves
    whole = samples_of(output)
    found = [samples_of(part) for part in parts.values()]
    assert all(found)
    assert {**found[0], **found[1]} == whole
    assert len(found[0]) + len(found[1]) == len(whole)
    for part in parts.values():
        assert validate(part, decode=False, workers=1).problems == []
        rows = pq.read_table(f"{part}/samples.parquet").to_pylist()
        assert [row["key"] for row in rows] == list(samples_of(part))
        assert max(row.samples for row in read_manifest(part)) <= 4


def test_parts_merge_into_the_whole_again(halves, tmp_path):
    output, parts = halves
    merge(list(parts.values()), str(tmp_path / "again"))
    assert samples_of(tmp_path / "again") == samples_of(output)
    assert validate(str(tmp_path / "again"), decode=False, workers=1).problems == []
    names = [row.shard for row in read_manifest(str(tmp_path / "again"))]
    assert names == [f"{number:05d}.tar" for number in range(len(names))]
    sizes = (tmp_path / "again" / "sizes.json").read_text()
    assert all(name in sizes for name in names)


def test_a_part_of_a_merged_output_has_pages_and_ordered_shards(halves, tmp_path):
    output, _ = halves
    split(output, {"few": 1, "many": 3}, str(tmp_path))
    parts = [str(tmp_path / "few"), str(tmp_path / "many")]
    for seed, part in enumerate(parts):
        (Path(part) / "config.yaml").write_text(f"store: frames\nseed: {seed}\n")
    few, many = read_manifest(parts[0])[0], read_manifest(parts[1])[0]
    assert few.samples < many.samples, "a shard of the first has room for more"
    assert few.last_key > many.first_key
    both, again = tmp_path / "both", tmp_path / "again"
    merge(parts, str(both))
    assert [each["seed"] for each in yaml.safe_load_all((both / "configs.yaml").read_text())] == [0, 1]
    assert "`configs.yaml`" in (both / "README.md").read_text()
    split(str(both), {"all": 1}, str(again))
    assert samples_of(again / "all") == samples_of(output)
    assert validate(str(again / "all"), decode=False, workers=1).problems == []
    assert (again / "all" / "configs.yaml").read_bytes() == (both / "configs.yaml").read_bytes()
    assert (again / "all" / "README.md").read_text().startswith("---\n")


def test_the_command_says_what_it_made_and_keeps_failures(halves, tmp_path, capsys):
    output, _ = halves
    assert cli.main(["merge", output, "-o", str(tmp_path / "one")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'one'}: 12 samples in 3 shards\n"
    assert cli.main(["failures", str(tmp_path / "one")]) == 0
    assert "fetch/timeout" in capsys.readouterr().out
    assert cli.main(["split", output, "train=9", "val=1", "-o", str(tmp_path / "two"), "--seed", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_clips_of_one_picture_go_to_one_side_and_shares_hold():
    shares = {"train": 0.9, "val": 0.1}
    sides = [side_of(f"picture{number}", shares, 0) for number in range(4000)]
    assert 0.08 < sides.count("val") / 4000 < 0.12
    assert sides == [side_of(f"picture{number}", shares, 0) for number in range(4000)]
    assert sides != [side_of(f"picture{number}", shares, 1) for number in range(4000)]


def test_a_key_in_two_outputs_is_an_error_before_anything_is_written(tmp_path):
    one, two = build_output(tmp_path / "one"), build_output(tmp_path / "two")
    with pytest.raises(ConfigError, match=r"both have the key 0000000; outputs of one source"):
        merge([one, two], str(tmp_path / "both"))
    assert not (tmp_path / "both").exists()


def test_a_damaged_shard_stops_a_merge_and_leaves_nothing(tmp_path):
    output = Path(build_output(tmp_path / "clips"))
    data = bytearray((output / "00001.tar").read_bytes())
    data[600] ^= 1
    (output / "00001.tar").write_bytes(data)
    with pytest.raises(ShardError, match=r"00001\.tar: its bytes are not those of the manifest"):
        merge([str(output)], str(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_an_output_that_is_given_up_leaves_the_files_of_others(tmp_path):
    output = build_output(tmp_path / "clips", shards=2)
    first, second = read_manifest(output)
    with suppress(KeyboardInterrupt), NewOutput(str(tmp_path / "new")) as new:
        new.copy(f"{output}/{first.shard}", first)
        (tmp_path / "new" / "notes.txt").write_text("of another program")
        with pytest.raises(ShardError):
            new.copy(f"{output}/{first.shard}", second)
        raise KeyboardInterrupt
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["split", "OUT", "train=0.9", "-o", "x"], "give two or more parts"),
        (["split", "OUT", "a=1", "a=2", "-o", "x"], "give two or more parts"),
        (["split", "OUT", "a=0", "b=1", "-o", "x"], "a share is above 0"),
        (["split", "OUT", "../a=1", "b=1", "-o", "x"], "write a part as NAME=SHARE"),
        (["split", "nowhere", "a=1", "b=1", "-o", "x"], "no manifest there"),
        (["merge", "nowhere", "-o", "x"], "no manifest there"),
        (["merge", "OUT", "OUT", "-o", "x"], "given twice"),
        (["merge", "OUT", "-o", "OUT"], "give a new or empty folder"),
    ],
)
def test_a_wrong_request_is_one_line(tmp_path, monkeypatch, capsys, arguments, says):
    monkeypatch.chdir(tmp_path)
    output = build_output(tmp_path / "clips", shards=1)
    assert cli.main([output if word == "OUT" else word for word in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def test_load_dataset_reads_a_part_and_what_was_merged_again(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    output = build_output(tmp_path / "clips", store="still")
    config = {"store": "still", "dataset": {"license": "mit", "name": "Clips"}}
    (Path(output) / "config.yaml").write_text(yaml.safe_dump(config))
    split(output, {"a": 1, "b": 1}, str(tmp_path / "parts"))
    merge([str(tmp_path / "parts" / name) for name in "ab"], str(tmp_path / "all"))
    keys = [row["__key__"] for row in datasets.load_dataset(str(tmp_path / "parts" / "a"), split="train")]
    assert keys == list(samples_of(tmp_path / "parts" / "a"))
    text = (tmp_path / "parts" / "a" / "README.md").read_text()
    assert "pretty_name: a\nlicense: mit\n" in text
    assert "report.html" not in text
    rows = datasets.load_dataset(str(tmp_path / "all"), split="train")
    assert sorted(row["__key__"] for row in rows) == sorted(samples_of(output))
