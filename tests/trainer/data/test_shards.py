"""The shards of a run."""

from __future__ import annotations

import make_shards as shards_of
import pytest

from storage.shards.read import RawSample, ShardError
from trainer.data.shards import Dropped, ShardSet, read_ahead, read_shards


def test_a_truncated_shard_is_named_and_its_good_part_used(tmp_path) -> None:
    folder = shards_of.write_shards(tmp_path, 2, 6, "still")
    first = folder / "00000.tar"
    first.write_bytes(first.read_bytes()[: first.stat().st_size // 2])
    broken: list[Dropped] = []
    uris = ShardSet.find(str(folder)).uris
    keys = [s.key for s in read_shards(uris, policy="skip", on_broken=broken.append)]
    assert len(broken) == 1
    assert str(first) in str(broken[0])
    assert "truncated" in str(broken[0]) or "cut off" in str(broken[0])
    assert keys[-6:] == [f"s{i:06d}" for i in range(6, 12)]
    assert len(keys) > 6
    with pytest.raises(ShardError, match=r"00000\.tar"):
        list(read_shards(uris, policy="error", on_broken=broken.append))


def test_a_missing_shard_is_named() -> None:
    broken: list[Dropped] = []
    assert list(read_shards(["/nowhere/7.tar"], policy="skip", on_broken=broken.append)) == []
    assert "/nowhere/7.tar" in str(broken[0])


def test_reading_ahead_changes_nothing_and_passes_errors_on() -> None:
    samples = [RawSample("a", str(i), {"txt": b"x"}) for i in range(30)]
    assert list(read_ahead(iter(samples), 4)) == samples

    def failing():
        yield samples[0]
        raise ShardError("a: broken")

    stream = read_ahead(failing(), 4)
    assert next(stream) == samples[0]
    with pytest.raises(ShardError, match="a: broken"):
        next(stream)


def test_the_count_comes_from_the_manifest(tmp_path) -> None:
    assert ShardSet.find(str(shards_of.write_shards(tmp_path / "a", 3, 4))).samples == 12
    assert ShardSet.find(str(tmp_path / "a" / "0000[01].tar")).samples == 8
    assert ShardSet.find(str(shards_of.write_shards(tmp_path / "b", 1, 4, manifest=False))).samples is None
    with pytest.raises(ValueError, match="named twice"):
        ShardSet.find([str(tmp_path / "a"), str(tmp_path / "a" / "00000.tar")])
