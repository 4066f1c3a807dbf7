"""Batches of clips of every store."""

from __future__ import annotations

import torch
from raw_samples import SIZE, decoder, raw

from trainer.data.animate import to_device
from trainer.data.batch import collate
from trainer.model.towers import tokenize


def test_more_frames_are_sampled_and_fewer_are_padded() -> None:
    short, long = decoder()(raw(0, "video", frames=2), 0), decoder()(raw(1, "video", frames=9), 0)
    batch = collate([short, long], tokenize=tokenize, frames=4, size=SIZE)
    assert batch.frame_mask.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert batch.frames.shape == (2, 4, 32, 32, 3)
    assert batch.frames[0, 2:].sum() == 0


def test_a_path_of_fewer_frames_is_padded_and_so_is_a_picture() -> None:
    path, picture = decoder(camera="stored"), decoder(camera="picture")
    samples = [path(raw(0, "still", frames=2), 0), path(raw(1, "still", frames=9), 0), picture(raw(2), 0)]
    batch = collate(samples, tokenize=tokenize, frames=4, size=SIZE)
    assert batch.frame_mask.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]]


def test_stores_mix_in_a_batch_and_keep_their_places() -> None:
    decode = decoder(camera="stored")
    samples = [raw(0, "still"), raw(1, "frames"), raw(2, "mp4"), raw(3, "still")]
    batch = collate([decode(s, 0) for s in samples], tokenize=tokenize, frames=4, size=SIZE)
    inputs = to_device(batch, torch.device("cpu"), SIZE)
    assert inputs.frames_BTHWC.shape == (4, 4, 32, 32, 3)
    for row, sample in enumerate(samples):
        alone = to_device(
            collate([decode(sample, 0)], tokenize=tokenize, frames=4, size=SIZE), torch.device("cpu"), SIZE
        )
        assert torch.equal(inputs.frames_BTHWC[row], alone.frames_BTHWC[0])
