"""The list of videos and captions of a set, whatever reads it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import make_shards as shards_of
import pytest
import torch
from tiny_index import checkpoint

from trainer.data.config import DataConfig
from trainer.data.loader import evaluation_loader, noting_drops
from trainer.data.shards import ShardSet
from trainer.device.errors import RunError
from trainer.model.io import load_model
from trainer.model.towers import tokenize
from trainer.retrieval.collect import Embedded, embed_loader
from trainer.retrieval.embed import Embedder

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    model = load_model(checkpoint(tmp_path_factory.mktemp("model")))
    return Embedder(model, CPU, tokens=True)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shards; videos 0 and 4 come again in the last one, from other pixels and with a new caption."""
    folder = tmp_path_factory.mktemp("clips")
    for shard in range(3):
        some = [shards_of.sample(i, "video", image_id=f"v{i}") for i in range(shard * 5, shard * 5 + 5)]
        if shard == 2:
            said = ("something new", "something else")
            some += [shards_of.sample(20 + i, "video", image_id=f"v{i}", captions=said) for i in (0, 4)]
        shards_of.write_shard(folder / f"{shard}.tar", some)
    return folder


def read(embedder: Embedder, clips: Path, workers: int, **options) -> Embedded:
    loader = evaluation_loader(
        ShardSet.find(str(clips)),
        DataConfig(shards=str(clips), workers=workers, eval_batch_size=3),
        partial(tokenize, max_words=16),
        frames=4,
        size=(32, 32),
    )
    return embed_loader(embedder, noting_drops(loader, []), **options)


def test_the_number_of_workers_changes_not_one_bit(embedder: Embedder, clips: Path) -> None:
    alone, several = (read(embedder, clips, workers, both_ways=True) for workers in (0, 2))
    assert alone.keys == several.keys == [f"s{i:06d}" for i in range(15)]
    assert alone.captions == several.captions
    assert alone.owners.tolist() == several.owners.tolist()
    assert alone.identities == several.identities
    assert alone.backwards is not None
    assert several.backwards is not None
    for one, other in (
        (alone.videos, several.videos),
        (alone.texts, several.texts),
        (alone.backwards, several.backwards),
    ):
        assert [part is None for part in one.parts] == [part is None for part in other.parts]
        pairs = zip(one.parts, other.parts, strict=True)
        assert all(torch.equal(a, b) for a, b in pairs if a is not None and b is not None)


def test_the_first_sample_of_a_video_in_the_order_of_the_shards_shows_it(
    embedder: Embedder, clips: Path
) -> None:
    data = read(embedder, clips, 0)
    assert (len(data.videos), data.repeated, len(data.texts)) == (15, 2, 15 + 4)
    assert data.owners.tolist()[-4:] == [0, 0, 4, 4]
    first = read(embedder, clips, 0, captions="first")
    assert (len(first.videos), len(first.texts)) == (15, 15)


def test_a_set_without_a_usable_sample_is_an_error(embedder: Embedder, tmp_path: Path) -> None:
    key, members = shards_of.sample(0)
    shards_of.write_shard(tmp_path / "0.tar", [(key, {**members, "jpg": b"no picture"})])
    with pytest.raises(RunError, match="the shards hold no usable sample"):
        read(embedder, tmp_path, 0)
