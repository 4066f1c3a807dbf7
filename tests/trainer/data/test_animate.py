"""Batches on the device."""

from __future__ import annotations

import pickle

import numpy as np
import torch
from raw_samples import SIZE, decoder, raw

from trainer.data.animate import normalise, render_on_device, to_device
from trainer.data.batch import collate
from trainer.model.towers import tokenize
from transforms.rendering.render import render


def test_stored_stills_are_rendered_along_their_quads() -> None:
    sample = raw(4)
    decoded = decoder(camera="stored")(sample, 0)
    batch = collate([decoded], tokenize=tokenize, frames=4, size=SIZE)
    inputs = to_device(batch, torch.device("cpu"), SIZE)
    wanted = render(decoded.picture_HWC, sample.meta().quads_T42(), size=SIZE)
    assert np.array_equal(inputs.frames_BTHWC[0].numpy(), wanted)


def test_the_renderer_of_gpus_gives_the_same_frames() -> None:
    decode = decoder()
    batch = collate([decode(raw(i), 0) for i in range(3)], tokenize=tokenize, frames=4, size=SIZE)
    inputs = to_device(batch, torch.device("cpu"), SIZE)
    frames = render_on_device(batch, batch, SIZE)
    assert (frames.int() - inputs.frames_BTHWC.int()).abs().max() <= 1


def test_a_plan_made_in_the_worker_gives_the_frames_of_one_made_on_the_device() -> None:
    decode = decoder()
    samples = [decode(raw(i), 0) for i in range(3)]
    plain = collate(samples, tokenize=tokenize, frames=4, size=SIZE)
    planned = pickle.loads(pickle.dumps(collate(samples, tokenize=tokenize, frames=4, size=SIZE, plan=True)))
    assert plain.plan is None
    assert planned.plan.counts == (4, 4, 4)
    assert torch.equal(render_on_device(planned, planned, SIZE), render_on_device(plain, plain, SIZE))


def test_normalising_is_clips_and_padding_is_zero() -> None:
    frames = torch.full((1, 2, 3, 3, 3), 255, dtype=torch.uint8)
    mean, std = torch.tensor([0.5, 0.25, 0.0]), torch.tensor([0.5, 0.25, 2.0])
    out = normalise(frames, torch.tensor([[1, 0]]), mean, std)
    assert out.shape == (1, 2, 3, 3, 3)
    assert torch.allclose(out[0, 0].amax((1, 2)), torch.tensor([1.0, 3.0, 0.5]))
    assert out[0, 1].abs().sum() == 0
