"""Embedding on a device that holds no data: every tensor is there, and the host waits for results alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fake_gpu import CUDA, fake_gpu
from raw_samples import SIZE, decoder, raw
from tiny_run import MODEL, tiny_config

from benchmarks.operators import count_operators
from trainer.data.animate import to_device
from trainer.data.batch import Batch, collate
from trainer.model.clip2video import CLIP2Video
from trainer.model.towers import tokenize
from trainer.retrieval.embed import Embedder

FINE = {**MODEL, "interaction": {"enabled": True, "depth": 1}}


def padded_batch() -> Batch:
    decode = decoder(camera="stored", training=False)
    samples = [decode(raw(0, "still"), 0), decode(raw(1, "frames", frames=2), 0), decode(raw(2, "mp4"), 0)]
    return collate(samples, tokenize=tokenize, frames=4, size=SIZE, plan=True)


@pytest.mark.parametrize(("tokens", "results"), [(False, 1), (True, 3)])
@pytest.mark.parametrize("both_ways", [False, True])
def test_clips_are_embedded_with_no_wait_but_for_the_vectors_and_tokens(
    tokens: bool, results: int, both_ways: bool, monkeypatch
) -> None:
    batch = padded_batch()
    assert batch.packing is not None
    with fake_gpu(monkeypatch):
        monkeypatch.setattr(torch.Tensor, "__bool__", lambda _: True)  # all features are finite
        monkeypatch.setattr(torch.nn.Module, "to", lambda module, _: module)
        with CUDA:
            model = CLIP2Video(tiny_config(Path("x"), Path("x"), model=FINE).model)
        embedder = Embedder(model, CUDA, "bf16", tokens=tokens)
        inputs = to_device(batch.pin_memory(), CUDA, SIZE)
        embed = embedder.both_ways if both_ways else embedder.videos
        clips = (inputs.frames_BTHWC, inputs.frame_mask_BT, inputs.keys, inputs.packing)
        made, counted = count_operators(lambda: embed(*clips))
        vectors = (made[0] if both_ways else made).vectors_NE
        assert (vectors.device.type, len(vectors)) == ("cpu", 3)
    assert counted.waits == results * (1 + both_ways)
