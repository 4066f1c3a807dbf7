"""The streams that the loader's workers iterate."""

from __future__ import annotations

from functools import partial
from itertools import islice
from pathlib import Path

import make_shards as shards_of
import pytest
from raw_samples import SIZE, decoder

from storage.shards.read import ShardError
from trainer.data.batch import Batch, collate
from trainer.data.config import DataConfig
from trainer.data.dataset import EvaluationStream, SampleSet, TrainingStream
from trainer.data.mixing.turns import Turns
from trainer.data.order import Cursor, Position
from trainer.data.shards import ShardSet
from trainer.model.towers import tokenize

COLLATE = partial(collate, tokenize=tokenize, frames=4, size=SIZE)


START = (Cursor(),)


def training(folder: Path, position: Position = START, **options) -> TrainingStream:
    of_one = SampleSet(ShardSet.find(str(folder)).uris, DataConfig(shards="x", **options), decoder())
    order = {"batch_size": 4, "seed": 1, "rank": 0, "world": 1, "positions": [position]}
    return TrainingStream([of_one], Turns([1.0]), COLLATE, **order)


def keys(batches: list[Batch]) -> list[list[str]]:
    return [batch.keys for batch in batches]


def test_training_resumes_after_any_batch(tmp_path: Path) -> None:
    folder = shards_of.write_shards(tmp_path, 2, 6)
    whole = list(islice(training(folder), 7))
    assert {len(batch) for batch in whole} == {4}
    for taken in (1, 3, 5):
        rest = islice(training(folder, whole[taken - 1].position), 7 - taken)
        assert keys(list(rest)) == keys(whole[taken:])


def evaluation(folder: Path, **share) -> list[Batch]:
    shards = ShardSet.find(str(folder)).uris
    config = DataConfig(shards="x", broken_shards="skip")
    return list(EvaluationStream(shards, config, decoder(False), COLLATE, batch_size=4, **share))


def test_evaluation_goes_through_every_shard_once_in_order(tmp_path: Path) -> None:
    folder = shards_of.write_shards(tmp_path, 2, 5)
    batches = evaluation(folder)
    assert [len(batch) for batch in batches] == [4, 1, 4, 1]  # a batch holds samples of one shard
    read = [key for batch in batches for key in batch.keys]
    assert read == [f"s{number:06d}" for number in range(10)]
    places = [place for batch in batches for place in batch.places]
    assert places == [(shard, position) for shard in range(2) for position in range(5)]


@pytest.mark.parametrize("world", [2, 3, 5])
def test_evaluation_is_split_over_ranks_into_the_same_batches(tmp_path: Path, world: int) -> None:
    folder = shards_of.write_shards(tmp_path, 2, 13)
    whole = {batch.places[0]: batch.keys for batch in evaluation(folder)}
    parts = [evaluation(folder, rank=rank, world=world) for rank in range(world)]
    dealt = [(batch.places[0], batch.keys) for part in parts for batch in part]
    assert len(dealt) == len(whole)
    assert dict(dealt) == whole
    assert all(parts)  # also with more ranks than shards


def test_ranks_that_share_a_shard_report_its_end_once(tmp_path: Path) -> None:
    folder = shards_of.write_shards(tmp_path, 1, 13, manifest=False)
    (folder / "00000.tar").write_bytes((folder / "00000.tar").read_bytes()[:50_000])
    parts = [evaluation(folder, rank=rank, world=2) for rank in range(2)]
    assert [sum(len(batch.dropped) for batch in part) for part in parts] == [1, 0]


def test_data_without_a_good_sample_ends_the_run(tmp_path: Path) -> None:
    samples = [shards_of.sample(number) for number in range(120)]
    for _, members in samples:
        members["jpg"] = b"no picture"
    shards_of.write_shard(tmp_path / "0.tar", samples)
    with pytest.raises(ShardError, match="100 samples in a row could not be used"):
        next(iter(training(tmp_path)))
