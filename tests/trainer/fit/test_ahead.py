from __future__ import annotations

import weakref

import make_shards as shards_of
import torch

from storage.shards.read import RawSample
from trainer.data.batch import Batch, collate
from trainer.data.config import DataConfig
from trainer.data.decode import Decoder
from trainer.fit.ahead import Parts
from trainer.model.towers import tokenize

CPU = torch.device("cpu")
SIZE = (32, 32)


def batches(count: int, *, plan: bool = False) -> list[Batch]:
    decode = Decoder(DataConfig(shards="x"), frames=4, size=SIZE, seed=0, training=True)
    made = []
    for start in range(0, 2 * count, 2):
        samples = [decode(RawSample("t", *shards_of.sample(start + i)), 0) for i in range(2)]
        made.append(collate(samples, tokenize=tokenize, frames=4, size=SIZE, plan=plan))
    return made


def test_parts_are_rendered_in_turn_to_the_same_bits_in_every_pass() -> None:
    parts = Parts(batches(2), CPU, SIZE)
    assert len(parts) == 2
    assert parts.seconds == 0.0
    first = iter(parts)
    one = weakref.ref(next(first))
    assert one() is None  # nobody but the reader keeps a part
    passes = [[part.frames_BTHWC for part in parts] for _ in range(2)]
    assert parts.seconds > 0.0
    for before, after in zip(*passes, strict=True):
        assert torch.equal(before, after)


def test_a_part_that_was_begun_early_is_rendered_once_and_kept_by_nobody() -> None:
    parts = Parts(batches(1), CPU, SIZE)
    parts.begin()
    spent = parts.seconds
    assert spent > 0.0
    reading = iter(parts)
    one = next(reading)
    assert parts.seconds == spent
    assert torch.equal(one.frames_BTHWC, next(iter(Parts(batches(1), CPU, SIZE))).frames_BTHWC)
    kept = weakref.ref(one)
    del one
    assert kept() is None
