"""The loaders: coverage, exact state, broken samples."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from functools import partial
from itertools import islice
from pathlib import Path

import make_shards as shards_of
import pytest
import torch

from schemas.errors import ConfigError
from storage.shards.read import ShardError
from trainer.data.batch import Batch
from trainer.data.config import DataConfig
from trainer.data.loader import LoaderState, TrainingLoader, evaluation_loader, noting_drops
from trainer.data.shards import Dropped, ShardSet
from trainer.model.towers import tokenize

WORDS = partial(tokenize, max_words=8)
SHAPE = {"frames": 4, "size": (32, 32)}

ROOT = Path(__file__).parents[3]
# The beginning of a script without open_clip, whose import costs seconds.
ALONE = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
import torch
from trainer.data.config import DataConfig
from trainer.data.shards import ShardSet
def no_words(captions):
    return torch.zeros(2, len(captions), 8, dtype=torch.int64)
"""


def loader(
    folder: Path, workers: int = 0, batch_size: int = 4, state=None, rank: int = 0, world: int = 1, **fields
):
    config = DataConfig(shards=str(folder), workers=workers, **{"shuffle_samples": 10, **fields})
    shards = ShardSet.find(str(folder))
    return TrainingLoader(
        shards, config, WORDS, **SHAPE, batch_size=batch_size, seed=3, rank=rank, world=world, state=state
    )


def take(made: TrainingLoader, count: int) -> list[Batch]:
    return list(islice(iter(made), count))


def same(one: list[Batch], two: list[Batch]) -> bool:
    return all(
        a.keys == b.keys
        and a.captions == b.captions
        and torch.equal(a.pixels, b.pixels)
        and torch.equal(a.quads, b.quads)
        and torch.equal(a.frames, b.frames)
        for a, b in zip(one, two, strict=True)
    )


@pytest.mark.parametrize(("workers", "store"), [(0, "still"), (2, "still"), (2, "frames")])
def test_after_a_resume_the_next_batches_are_equal(tmp_path, workers: int, store: str) -> None:
    folder = shards_of.write_shards(tmp_path, 5, 6, store, captions=("one", "two", "three"))
    made = loader(folder, workers)
    stream = iter(made)
    for _ in range(7):  # 28 of 30 samples, and workers at different places
        next(stream)
    state = json.loads(json.dumps(made.state().to_dict()))
    wanted = list(islice(stream, 9))  # over the end of the epoch
    again = take(loader(folder, workers, state=LoaderState.from_dict(state)), 9)
    assert same(wanted, again)


def test_an_epoch_has_every_sample_once_over_ranks_and_workers(tmp_path) -> None:
    folder = shards_of.write_shards(tmp_path, 8, 4)
    seen: Counter[str] = Counter()
    for rank in range(2):
        for batch in take(
            loader(folder, workers=2, rank=rank, world=2), 4
        ):  # 2 ranks x 4 batches x 4 = 32 samples
            seen.update(batch.keys)
    assert len(seen) == 32
    assert set(seen.values()) == {1}


def test_batches_are_always_full_and_epochs_differ(tmp_path) -> None:
    folder = shards_of.write_shards(tmp_path, 2, 5)
    batches = take(loader(folder), 10)
    assert all(len(batch) == 4 for batch in batches)
    keys = [key for batch in batches for key in batch.keys]
    epochs = [keys[i : i + 10] for i in range(0, 40, 10)]
    assert all(len(set(epoch)) == 10 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_a_state_of_another_order_is_refused(tmp_path) -> None:
    folder = shards_of.write_shards(tmp_path, 4, 4)
    made = loader(folder)
    take(made, 1)
    with pytest.raises(ConfigError, match=r"data.workers was 0, is 2"):
        loader(folder, 2, state=made.state())
    with pytest.raises(ConfigError, match="batch size of a rank was 4, is 2"):
        loader(folder, batch_size=2, state=made.state())
    (folder / "00003.tar").unlink()
    with pytest.raises(ConfigError, match="shards differ"):
        loader(folder, state=made.state())


def test_too_few_shards_is_an_error_at_the_start(tmp_path) -> None:
    folder = shards_of.write_shards(tmp_path, 3, 2)
    with pytest.raises(ConfigError, match="3 shards for 4 ranks x 2 workers"):
        loader(folder, 2, world=4)


def test_more_workers_than_shards_are_lowered_and_the_order_is_that_of_fewer(tmp_path) -> None:
    folder = shards_of.write_shards(tmp_path, 1, 6)
    asked, fitting = loader(folder, 2), loader(folder, 1)
    assert asked.readers == 1
    assert [batch.keys for batch in take(asked, 3)] == [batch.keys for batch in take(fitting, 3)]
    assert asked.state() == fitting.state()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_sample_is_dropped_counted_and_named(tmp_path, workers: int) -> None:
    samples = [shards_of.sample(i) for i in range(6)]
    samples[2][1]["jpg"] = samples[2][1]["jpg"][:60]
    samples[4][1]["json"] = b"{"
    shards_of.write_shard(tmp_path / "0.tar", samples)
    made = loader(tmp_path, workers)
    batches = take(made, 2)
    assert {key for batch in batches for key in batch.keys} == {"s000000", "s000001", "s000003", "s000005"}
    dropped = made.take_dropped()
    assert {drop.key for drop in dropped} >= {"s000002", "s000004"}
    assert all("0.tar" in str(drop) and drop.reason for drop in dropped)
    assert sum(made.dropped.values()) == len(dropped)
    assert made.take_dropped() == []


def test_a_broken_sample_does_not_move_the_rest_after_a_resume(tmp_path) -> None:
    samples = [shards_of.sample(i) for i in range(12)]
    samples[5][1]["jpg"] = b"nothing"
    shards_of.write_shard(tmp_path / "0.tar", samples)
    made = loader(tmp_path)
    stream = iter(made)
    next(stream), next(stream)
    state = made.state()
    assert same(list(islice(stream, 5)), take(loader(tmp_path, state=state), 5))


def test_data_that_is_all_broken_ends_the_run_instead_of_going_round_for_ever(tmp_path) -> None:
    samples = [shards_of.sample(i) for i in range(4)]
    for _, members in samples:
        members["jpg"] = b"nothing"
    shards_of.write_shard(tmp_path / "0.tar", samples)
    with pytest.raises(ShardError, match="100 samples in a row"):
        take(loader(tmp_path), 1)


def test_evaluation_has_every_sample_once_with_all_captions(tmp_path) -> None:
    folder = shards_of.write_shards(tmp_path, 3, 5, captions=("one", "two"))
    config = DataConfig(shards="x", workers=2, eval_batch_size=4)
    batches = list(evaluation_loader(ShardSet.find(str(folder)), config, WORDS, **SHAPE))
    keys = [key for batch in batches for key in batch.keys]
    assert sorted(keys) == [f"s{i:06d}" for i in range(15)]
    for batch in batches:
        assert batch.captions == ["one", "two"] * len(batch)
        assert batch.caption_video.tolist() == [i for i in range(len(batch)) for _ in range(2)]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_evaluation_tells_of_what_is_left_out_after_the_last_full_batch(tmp_path, workers: int) -> None:
    samples = [shards_of.sample(i) for i in range(5)]
    samples[4][1]["jpg"] = b"nothing"
    shards_of.write_shard(tmp_path / "0.tar", samples)
    (tmp_path / "1.tar").write_bytes(b"no tar at all" * 100)
    dropped: list[Dropped] = []
    config = DataConfig(
        shards="x", workers=workers, eval_batch_size=4
    )  # with two workers the second has nothing else
    batches = list(
        noting_drops(evaluation_loader(ShardSet.find(str(tmp_path)), config, WORDS, **SHAPE), dropped)
    )
    assert [len(batch) for batch in batches] == [4]
    assert sorted((drop.shard.rpartition("/")[2], drop.key) for drop in dropped) == [
        ("0.tar", "s000004"),
        ("1.tar", ""),
    ]


def test_a_workers_batch_is_the_same_and_only_its_pictures_are_in_shared_memory(tmp_path) -> None:
    folder = shards_of.write_shards(tmp_path / "stills", 2, 4)
    (here,), (there,) = (take(loader(folder, workers), 1) for workers in (0, 1))
    assert there.pixels.is_shared()
    assert not there.quads.is_shared()
    for name, value in vars(here).items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, getattr(there, name)), name
            assert value.dtype == getattr(there, name).dtype
    assert (here.keys, here.captions, here.picture_sizes) == (there.keys, there.captions, there.picture_sizes)


def test_a_script_that_ends_in_the_middle_of_its_batches_ends(tmp_path) -> None:
    """Its workers are left over at its exit; only a scheduler's SIGTERM is one that they shall not heed."""
    shards_of.write_shards(tmp_path, 2, 6)
    script = f"""{ALONE}
from trainer.data.loader import TrainingLoader
config = DataConfig(shards="x", workers=2)
shape = {SHAPE!r}
made = TrainingLoader(ShardSet.find({str(tmp_path)!r}), config, no_words, batch_size=4, seed=3, **shape)
batches = iter(made)
next(batches)
children = [int(c) for c in open(f"/proc/self/task/{{os.getpid()}}/children").read().split()]
assert len(children) >= 2, children
[os.system(f"kill -TERM {{child}}") for child in children]
for _ in range(20):
    next(batches)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_shards_stream_from_other_file_systems() -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    import io

    from storage.shards.write import ShardWriter

    for number in range(2):
        out = io.BytesIO()
        writer = ShardWriter(out)
        for i in range(4):
            writer.write(*shards_of.sample(number * 4 + i))
        writer.close()
        memory.pipe(f"/clips/{number}.tar", out.getvalue())
    shards = ShardSet.find("memory://clips/*.tar")
    made = TrainingLoader(shards, DataConfig(shards="x", workers=0), WORDS, **SHAPE, batch_size=4, seed=1)
    keys = {key for batch in islice(iter(made), 2) for key in batch.keys}
    assert len(keys) == 8


MOTIONS = ["pan_left", "pan_right", "pan_up", "pan_down", "zoom_in", "zoom_out"]


@pytest.mark.parametrize("batch_size", [8, 6])
def test_paths_of_one_picture_come_in_one_batch_with_a_phrase_each(tmp_path, batch_size: int) -> None:
    folder = shards_of.write_shards(tmp_path, 2, 6)
    fields = {"motions": MOTIONS, "motion_phrases": 1.0, "paths_per_picture": 4}
    for batch in take(loader(folder, batch_size=batch_size, **fields), 6):
        together = Counter(batch.keys)
        assert sorted(together.values()) == ([4, 4] if batch_size == 8 else [2, 4])
        assert len(set(zip(batch.keys, batch.captions, strict=True))) == batch_size
        assert len({tuple(row) for row in batch.identities.tolist()}) == batch_size


def test_paths_of_one_picture_go_on_exactly_after_a_resume(tmp_path) -> None:
    folder = shards_of.write_shards(tmp_path, 2, 6)
    fields = {"motions": MOTIONS, "motion_phrases": 0.5, "paths_per_picture": 4}
    made = loader(folder, batch_size=6, **fields)
    stream = iter(made)
    for _ in range(4):
        next(stream)
    state = LoaderState.from_dict(json.loads(json.dumps(made.state().to_dict())))
    assert same(list(islice(stream, 7)), take(loader(folder, batch_size=6, state=state, **fields), 7))


def test_a_broken_picture_is_one_drop_however_many_paths_it_would_have_had(tmp_path) -> None:
    samples = [shards_of.sample(i) for i in range(5)]
    samples[2][1]["jpg"] = b"no picture"
    shards_of.write_shard(tmp_path / "0.tar", samples)
    made = loader(tmp_path, motions=MOTIONS, motion_phrases=1.0, paths_per_picture=4, shuffle_samples=0)
    batches = take(made, 4)
    assert [set(batch.keys) for batch in batches] == [{f"s{i:06d}"} for i in (0, 1, 3, 4)]
    assert [drop.key for drop in made.take_dropped()] == ["s000002"]


def test_paths_over_shards_without_stills_end_the_run_with_the_reason(tmp_path) -> None:
    folder = shards_of.write_shards(tmp_path, 1, 4, "frames")
    with pytest.raises(ShardError, match="paths_per_picture = 4 needs shards of store still"):
        take(loader(folder, motion_phrases=1.0, paths_per_picture=4), 1)


def test_a_broken_shard_is_one_line_and_no_worker_is_left(tmp_path: Path) -> None:
    """Runs in a process of its own, because torch raises at the end of the interpreter."""
    shards = shards_of.write_shards(tmp_path / "clips", 4, 4)
    broken = sorted(shards.glob("*.tar"))[1]
    broken.write_bytes(broken.read_bytes()[:3000])
    script = f"""{ALONE}
from trainer.data.loader import evaluation_loader
from storage.shards.read import ShardError
config = DataConfig(shards="x", workers=4, broken_shards="error")
shards = ShardSet.find({str(shards)!r})
batches = evaluation_loader(shards, config, no_words, **{SHAPE!r})
try:
    list(batches)
except ShardError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    assert broken.name in done.stdout


def mixed(tmp_path: Path, workers: int = 0, state=None, rank: int = 0, world: int = 1) -> TrainingLoader:
    """Stills with fresh paths, stored frames and real videos, in the ratio 5 : 2 : 1."""
    sets = {"still": 5, "frames": 2, "video": 1}
    for store in sets:
        if not (tmp_path / store).exists():
            options = {"captions": ("one", "two")}
            shards_of.write_shards(tmp_path / store, 4, 5, store, **options)
    mix = [{"shards": str(tmp_path / store), "weight": weight} for store, weight in sets.items()]
    mix[0] |= {"motion_phrases": 1.0, "motions": ["pan_left", "zoom_in"]}
    mix[2] |= {"captions": "first"}
    config = DataConfig.make({"mix": mix, "workers": workers, "shuffle_samples": 10})
    found = [ShardSet.find(each.shards) for each in config.sets()]
    order = {"batch_size": 6, "seed": 3, "rank": rank, "world": world, "state": state}
    return TrainingLoader(found, config, WORDS, **SHAPE, **order)


def kinds(batches: list[Batch]) -> Counter[str]:
    """Clips of each kind: fresh paths have phrases, videos have the first caption."""
    counted: Counter[str] = Counter()
    for batch in batches:
        stills = set(batch.still_rows.tolist())
        for row, caption in enumerate(batch.captions):
            counted["still" if row in stills else "other"] += 1
            assert ("the camera" in caption) == (row in stills)
    return counted


@pytest.mark.parametrize("workers", [0, 2])
def test_a_mix_keeps_its_shares_to_the_sample_over_a_resume(tmp_path, workers: int) -> None:
    made = mixed(tmp_path, workers)
    stream = iter(made)
    first = [next(stream) for _ in range(5)]
    state = json.loads(json.dumps(made.state().to_dict()))
    rest = list(islice(stream, 11))
    again = take(mixed(tmp_path, workers, LoaderState.from_dict(state)), 11)
    assert same(rest, again)
    for batches in range(1, 17):
        counted = kinds((first + again)[:batches])
        assert abs(counted["still"] - 6 * batches * 5 / 8) < 1
        assert sum(counted.values()) == 6 * batches


def test_the_ranks_of_a_mix_share_each_set(tmp_path) -> None:
    ranks = [take(mixed(tmp_path, rank=rank, world=2), 8) for rank in range(2)]
    assert kinds([batch for batches in ranks for batch in batches])["still"] == 60  # of 96
    for step in range(1, 9):
        counted = kinds([batch for batches in ranks for batch in batches[:step]])
        assert abs(counted["still"] - 12 * step * 5 / 8) < 1
    stills = [batch.keys[row] for batches in ranks for batch in batches for row in batch.still_rows.tolist()]
    assert len(set(stills[:20])) > 8  # shuffled
    assert set(stills) == {f"s{i:06d}" for i in range(20)}


def test_a_mix_of_other_sets_is_not_resumed_and_a_set_with_too_few_shards_is_named(tmp_path) -> None:
    state = mixed(tmp_path).state()
    shards_of.write_shards(tmp_path / "video", 5, 5, "video")
    with pytest.raises(ConfigError, match="resume: shards differ"):
        mixed(tmp_path, state=state)
    with pytest.raises(ConfigError, match=r"data.mix.0.shards: 4 shards for 5 ranks x 1 workers"):
        mixed(tmp_path, world=5)


@pytest.mark.parametrize("store", ["still", "frames"])
def test_batches_of_workers_are_in_nameless_memory_and_need_no_room_in_dev_shm(tmp_path, store: str) -> None:
    folder = shards_of.write_shards(tmp_path, 2, 6, store)
    batches = take(loader(folder, workers=1), 2)
    bytes_of = [batch.pixels if store == "still" else batch.frames for batch in batches]
    maps = Path("/proc/self/maps").read_text().splitlines()
    for pixels in bytes_of:
        starts = f"{pixels.untyped_storage().data_ptr():x}-"
        (line,) = (line for line in maps if line.startswith(starts))
        assert "/memfd:zoetrope-batch" in line
