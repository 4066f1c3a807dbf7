"""kornia against OpenCV on noise, the hardest picture there is, and batches of pictures of any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from transforms.rendering import kornia as render_kornia
from transforms.rendering.kornia import render_tensor
from transforms.rendering.render import render_batch

FULL = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
SHAPES = [(64, 64), (333, 500), (901, 640), (97, 480), (1300, 1100)]


def trajectory(kind, frames):
    steps = np.linspace(0, 1, frames)[:, None, None]
    if kind == "zoom":
        return ((FULL - 0.5) * (1 - 0.7 * steps) + 0.5).astype(np.float32)
    if kind == "tilt":
        return (np.float32([[0.12, 0.05], [0.8, 0.2], [0.9, 0.9], [0.2, 0.8]]) + 0.05 * steps).astype(
            np.float32
        )
    angles = steps[:, 0, 0] * 0.9
    turn = np.stack([np.cos(angles), np.sin(angles), -np.sin(angles), np.cos(angles)], -1).reshape(-1, 2, 2)
    return ((FULL - 0.5) * 0.6 @ turn + 0.5).astype(np.float32)


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in SHAPES]
    quads = [
        trajectory(kind, frames)
        for kind, frames in zip(("turn", "zoom", "tilt", "turn", "zoom"), (4, 6, 3, 5, 6), strict=True)
    ]
    return images, quads


@pytest.mark.parametrize("size", [(96, 96), (61, 130)])
def test_kornia_equals_opencv_to_one_grey_level(batch, size):
    images, quads = batch
    theirs = render_batch(images, quads, size=size, renderer="kornia")
    for ours, frames in zip(render_batch(images, quads, size=size, renderer="opencv"), theirs, strict=True):
        difference = np.abs(ours.astype(int) - frames)
        assert frames.shape == ours.shape
        assert difference.max() <= 1
        assert (difference > 0).mean() < 0.05


def test_frames_do_not_depend_on_the_batch(batch, monkeypatch):
    images, quads = batch
    together = render_batch(images, quads, size=(80, 80), renderer="kornia")
    alone = [
        render_batch([i], [q], size=(80, 80), renderer="kornia")[0]
        for i, q in zip(images, quads, strict=True)
    ]
    monkeypatch.setattr(render_kornia, "PIXELS_A_CALL", 2**21)
    in_parts = render_batch(images[::-1], quads[::-1], size=(80, 80), renderer="kornia")[::-1]
    for whole, single, part in zip(together, alone, in_parts, strict=True):
        np.testing.assert_array_equal(whole, single)
        np.testing.assert_array_equal(whole, part)


def test_one_call_of_kornia_for_a_batch(batch, monkeypatch):
    calls = []

    def counted(*arguments, remap=render_kornia.remap, **options):
        calls.append(options)
        return remap(*arguments, **options)

    monkeypatch.setattr(render_kornia, "remap", counted)
    images, quads = batch
    render_batch(images[:4], quads[:4], size=(32, 32), renderer="kornia")
    assert calls == [
        {"mode": "bilinear", "padding_mode": "border", "align_corners": True, "normalized_coordinates": False}
    ]


def test_the_host_tells_of_all_clips_at_once(batch, monkeypatch):
    told = []

    def counted(array, from_numpy=torch.from_numpy):
        told.append(array.shape)
        return from_numpy(array)

    images, quads = batch
    tensors = [torch.from_numpy(image) for image in images[:4]]
    monkeypatch.setattr(torch, "from_numpy", counted)
    render_tensor(tensors, quads[:4], (32, 32))
    assert told.count((4, 6, 4, 3)) == 1  # 4 clips of up to 6 frames: a matrix and its bounds
    assert [shape for shape in told if shape[-1] == 3] == [(4, 6, 4, 3)]


def test_tensors_in_tensors_out(batch):
    images, _ = batch
    quads_NT42 = torch.from_numpy(np.stack([trajectory("zoom", 4)] * len(images)))
    clips = render_tensor([torch.from_numpy(image) for image in images], quads_NT42, (40, 50))
    expected = render_batch(images, list(quads_NT42.numpy()), size=(40, 50), renderer="kornia")
    assert torch.stack(clips).shape == (len(images), 4, 40, 50, 3)
    for clip, frames in zip(clips, expected, strict=True):
        assert clip.dtype == torch.uint8
        np.testing.assert_array_equal(clip.numpy(), frames)


def test_a_picture_too_large_for_exact_coordinates_is_refused():
    with pytest.raises(ValueError, match="too large to render"):
        render_tensor([torch.zeros((20000, 4, 3), dtype=torch.uint8)], [FULL[None]], (20000, 4))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_equals_the_cpu_to_one_grey_level(batch):
    images, quads = batch
    on_cpu = render_batch(images, quads, size=(96, 96), device="cpu")
    for ours, theirs in zip(on_cpu, render_batch(images, quads, size=(96, 96), device="cuda"), strict=True):
        assert np.abs(ours.astype(int) - theirs).max() <= 1
