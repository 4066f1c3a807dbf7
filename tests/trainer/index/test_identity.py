"""An index recognises shards that were rewritten, moved, swapped, copied or deleted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import make_shards as shards_of
import pytest
from tiny_index import checkpoint

from storage.login import filesystem
from storage.write import write_bytes
from trainer.index.build import index
from trainer.index.config import IndexSettings
from trainer.index.search import open_index
from trainer.index.store import read_info, read_parts, relocate
from zoetrope import cli

CPU = IndexSettings(device="cpu", workers=2, batch_size=4)


def main(arguments: list[str]) -> int:
    return cli.main(["index", *arguments])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("checkpoint"))


def parts(folder: Path):
    return read_parts(folder, read_info(folder))


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_shard_made_anew_replaces_its_former_self(model: Path, tmp_path: Path) -> None:
    clips = shards_of.write_shards(tmp_path / "clips", 2, 4, "video")
    target = tmp_path / "index"
    index(model, str(clips), target, CPU)
    shards_of.write_shards(clips, 2, 5, "video")  # keys, sizes and sums change
    done = index(model, str(clips), target, CPU)
    assert (done.shards, done.skipped) == (2, 0)
    assert [part.info.clips for part in parts(target)] == [5, 5]


def test_shards_that_moved_are_found_where_they_are_now(model: Path, tmp_path: Path) -> None:
    clips = shards_of.write_shards(tmp_path / "clips", 1, 4, "video")
    target = tmp_path / "index"
    index(model, str(clips), target, CPU)
    moved = clips.rename(tmp_path / "elsewhere")
    assert index(model, str(moved), target, CPU).skipped == 1
    assert [part.info.shard for part in parts(target)] == [str(moved / "00000.tar")]


def test_without_a_manifest_place_and_size_tell_shards_apart(model: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shards_of.write_shards(tmp_path / name, 1, 4, "video", manifest=False)
    done = index(model, [str(tmp_path / "a"), str(tmp_path / "b")], tmp_path / "index", CPU)
    assert (done.shards, done.clips) == (2, 8)
    assert index(model, str(tmp_path / "a"), tmp_path / "index", CPU).skipped == 1


@pytest.mark.parametrize("folder", ["{tmp}", "memory:///remade"])
def test_without_a_manifest_the_same_size_does_not_hide_a_change(
    model: Path, tmp_path: Path, folder: str
) -> None:
    clips = folder.format(tmp=tmp_path)
    target = tmp_path / "index"
    made = [
        shards_of.write_shard(tmp_path / f"{i}.tar.made", [shards_of.sample(i, key=f"k{i}")]) for i in (1, 2)
    ]
    one, two = (file.read_bytes().ljust(40960, b"\0") for file in made)
    write_bytes(f"{clips}/0.tar", one)
    index(model, f"{clips}/0.tar", target, CPU)
    assert index(model, f"{clips}/0.tar", target, CPU).skipped == 1
    write_bytes(f"{clips}/0.tar", two)
    assert index(model, f"{clips}/0.tar", target, CPU).shards == 1
    assert [part.clips["key"].to_pylist() for part in parts(target)] == [["k2"]]


def test_a_part_of_before_times_were_kept_is_read_and_replaced(model: Path, tmp_path: Path) -> None:
    clips = shards_of.write_shards(tmp_path / "clips", 1, 4, "video", manifest=False)
    target = tmp_path / "index"
    index(model, str(clips), target, CPU)
    (part,) = parts(target)
    former = f"size:{(clips / '00000.tar').stat().st_size}:{clips / '00000.tar'}"
    file = Path(part.path) / "part.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "content": former}))
    Path(part.path).rename(target / "parts" / "00000-former")
    assert open_index(target, device="cpu").clips == 4
    assert index(model, str(clips), target, CPU).shards == 1
    assert open_index(target, device="cpu").clips == 4


def test_shards_that_changed_places_keep_their_clips(model: Path, tmp_path: Path) -> None:
    """00000 was renamed to 00001, and another made in its place; then the two are swapped."""
    clips = shards_of.write_shards(tmp_path / "clips", 1, 4, "video")
    target = tmp_path / "index"
    index(model, str(clips), target, CPU)
    shutil.move(clips / "00000.tar", tmp_path / "old.tar")
    shards_of.write_shard(clips / "00000.tar", [shards_of.sample(i, "video") for i in range(20, 25)])
    shutil.move(tmp_path / "old.tar", clips / "00001.tar")
    shards_of.write_manifest(clips)
    done = index(model, str(clips), target, CPU)
    assert (done.shards, done.skipped) == (1, 1)
    assert sorted((Path(part.info.shard).name, len(part.vectors_NE)) for part in parts(target)) == [
        ("00000.tar", 5),
        ("00001.tar", 4),
    ]
    for a, b in (("00000", "x"), ("00001", "00000"), ("x", "00001")):
        (clips / f"{a}.tar").rename(clips / f"{b}.tar")
    shards_of.write_manifest(clips)
    assert index(model, str(clips), target, CPU).skipped == 2
    assert sorted((Path(part.info.shard).name, len(part.vectors_NE)) for part in parts(target)) == [
        ("00000.tar", 4),
        ("00001.tar", 5),
    ]


def test_the_same_bytes_twice_are_indexed_once(model: Path, tmp_path: Path) -> None:
    clips = shards_of.write_shards(tmp_path / "clips", 1, 4, "video")
    shutil.copytree(clips, tmp_path / "copy")
    both = [str(clips), str(tmp_path / "copy")]
    done = index(model, both, tmp_path / "index", CPU)
    assert (done.shards, done.skipped, done.clips) == (1, 1, 4)
    before = bytes_of(tmp_path / "index")
    assert index(model, both, tmp_path / "index", CPU).skipped == 2
    assert bytes_of(tmp_path / "index") == before


@pytest.mark.parametrize("remote", [False, True])
def test_what_is_no_longer_there_is_said_and_forgotten_when_asked(
    model, tmp_path: Path, capsys, remote: bool
) -> None:
    clips = shards_of.write_shards(tmp_path / "clips", 3, 4, "video", manifest=False)
    place, target = str(clips), str(tmp_path / "index")
    if remote:
        place, target = "memory:///pruned/clips", "memory:///pruned/index"
        for file in clips.glob("*.tar"):
            write_bytes(f"{place}/{file.name}", file.read_bytes())
    command = [str(model), f"{place}/*.tar", "-o", target, "--device", "cpu"]
    assert main(command) == 0
    assert main([str(model), f"{place}/00000.tar", "-o", target, "--prune", "--device", "cpu"]) == 0
    assert "0 shards that are no longer there forgotten" in capsys.readouterr().out  # not given, but there
    filesystem(place)[0].rm(filesystem(f"{place}/00001.tar")[1])
    assert main(command) == 0
    out, error = capsys.readouterr()
    assert "already there: 2 shards" in out
    assert "1 indexed shards are no longer there, --prune forgets them: " in error
    assert f"{place}/00001.tar" in error
    assert len(read_parts(target, read_info(target))) == 3
    assert main([*command, "--prune"]) == 0
    out, error = capsys.readouterr()
    assert "1 shards that are no longer there forgotten" in out
    assert error == ""
    left = [part.info.shard.rpartition("/")[2] for part in read_parts(target, read_info(target))]
    assert left == ["00000.tar", "00002.tar"]


def test_a_store_that_cannot_be_asked_forgets_nothing(model: Path, tmp_path: Path, capsys) -> None:
    clips = shards_of.write_shards(tmp_path / "clips", 2, 4, "video")
    command = [str(model), str(clips / "00000.tar"), "-o", str(tmp_path / "index"), "--device", "cpu"]
    index(model, str(clips), tmp_path / "index", CPU)
    (part,) = (part for part in parts(tmp_path / "index") if part.info.shard.endswith("00001.tar"))
    relocate(part, "nowhere://clips/00001.tar")
    assert main(command) == 0
    assert capsys.readouterr().err == ""
    assert main([*command, "--prune"]) == 2
    assert "nowhere://" in capsys.readouterr().err
    assert len(parts(tmp_path / "index")) == 2
