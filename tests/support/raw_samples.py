"""Raw samples of every store, and a decoder for them."""

from __future__ import annotations

import make_shards as shards_of

from storage.shards.read import RawSample
from trainer.data.config import DataConfig
from trainer.data.decode import Decoder

SIZE = (32, 32)


def raw(index: int, store: str = "still", **options) -> RawSample:
    key, members = shards_of.sample(index, store, **options)
    return RawSample("test.tar", key, members)


def decoder(training: bool = True, frames: int = 4, **fields) -> Decoder:
    return Decoder(DataConfig(shards="x", **fields), frames=frames, size=SIZE, seed=5, training=training)
