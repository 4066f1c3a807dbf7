from __future__ import annotations

import weakref

import make_shards as shards_of
import torch

from storage.shards.read import RawSample
from trainer.data.batch import collate
from trainer.data.config import DataConfig
from trainer.data.decode import Decoder
from trainer.fit.step import _Parts
from trainer.model.towers import tokenize


def test_parts_are_rendered_in_turn_to_the_same_bits_in_every_pass() -> None:
    decode = Decoder(DataConfig(shards="x"), frames=4, size=(32, 32), seed=0, training=True)
    batches = []
    for start in (0, 2):
        samples = [decode(RawSample("t", *shards_of.sample(start + i)), 0) for i in range(2)]
        batches.append(collate(samples, tokenize=tokenize, frames=4, size=(32, 32)))
    parts = _Parts(batches, torch.device("cpu"), (32, 32))
    assert len(parts) == 2
    assert parts.seconds == 0.0
    first = iter(parts)
    one = weakref.ref(next(first))
    assert one() is None  # nobody but the reader keeps a part
    passes = [[part.frames_BTHWC for part in parts] for _ in range(2)]
    assert parts.seconds > 0.0
    for before, after in zip(*passes, strict=True):
        assert torch.equal(before, after)
