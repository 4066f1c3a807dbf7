from __future__ import annotations

import make_shards as shards_of
import pytest
import torch
from tiny_models import tiny_inputs, tiny_model

from storage.shards.read import RawSample
from trainer.data.batch import collate
from trainer.data.config import DataConfig
from trainer.data.decode import Decoder
from trainer.data.packing import embed_packed, pack
from trainer.model.towers import tokenize
from trainer.objective.gradients import Encoder, vectors


def test_real_frames_and_one_of_padding_are_kept():
    packing = pack(torch.tensor([[1, 0, 0], [1, 1, 1], [0, 0, 0]]))
    assert packing.kept_R.tolist() == [0, 3, 4, 5, 1]
    assert packing.place_BT.tolist() == [[0, 4, 4], [1, 2, 3], [4, 4, 4]]


@pytest.mark.parametrize("mask", [[[1, 1], [1, 1]], [[1, 1], [1, 0]]])
def test_a_batch_with_next_to_no_padding_is_left_alone(mask):
    assert pack(torch.tensor(mask)) is None


def test_pictures_of_one_frame_cost_one_frame_each():
    mask = torch.zeros(8, 12, dtype=torch.int64)
    mask[:, 0] = 1
    seen = []

    def embed(frames, frame_mask):
        seen.append(frames.shape[:2])
        return torch.zeros(*frames.shape[:2], 4)

    frames = torch.zeros(8, 12, 4, 4, 3, dtype=torch.uint8)
    assert embed_packed(frames, mask, pack(mask), embed).shape == (8, 12, 4)
    assert seen == [(9, 1)]


@pytest.mark.parametrize("temporal_type", ["TDB", ""])
def test_features_and_gradients_are_those_of_all_frames(temporal_type):
    model = tiny_model(temporal_type=temporal_type)
    ids, token_mask, _, frame_mask = tiny_inputs()
    encoder = Encoder(model)
    rng = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (*frame_mask.shape, 32, 32, 3), dtype=torch.uint8, generator=rng)
    found = []
    for packing in (None, pack(frame_mask)):
        model.zero_grad()
        outputs = [t for f in encoder(frames, frame_mask, ids, token_mask, packing) for t in vectors(f)]
        torch.stack([out.square().sum() for out in outputs]).sum().backward()
        found.append((outputs, {n: p.grad for n, p in model.named_parameters() if p.grad is not None}))
    (plain, plain_gradients), (packed, packed_gradients) = found
    for one, other in zip(plain, packed, strict=True):
        torch.testing.assert_close(other, one, atol=1e-6, rtol=1e-5)
    assert list(plain_gradients) == list(packed_gradients)
    for name, gradient in plain_gradients.items():
        torch.testing.assert_close(packed_gradients[name], gradient, atol=1e-4, rtol=1e-3, msg=name)


def test_a_worker_packs_clips_of_unequal_length():
    decode = Decoder(DataConfig(shards="x", camera="stored"), frames=4, size=(32, 32), seed=0, training=True)
    samples = [
        decode(RawSample("t", *shards_of.sample(i, "frames", frames=n)), 0) for i, n in enumerate((1, 4))
    ]
    batch = collate(samples, tokenize=tokenize, frames=4, size=(32, 32))
    assert batch.packing.kept_R.tolist() == [0, 4, 5, 6, 7, 1]
    assert batch.to(torch.device("cpu")).packing.place_BT.tolist() == [[0, 5, 5, 5], [1, 2, 3, 4]]
