"""kornia against OpenCV on noise, the hardest picture, in batches of pictures of any size."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from fake_gpu import PAGEABLE, fake_gpu
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import render_gpu
from benchmarks.operators import CUDA, count_operators, fake_cuda
from transforms.motions.mix import MotionMix, draw
from transforms.rendering import kornia, plan
from transforms.rendering.kornia import make_atlas, make_store, render_packed, to_device
from transforms.rendering.layers import plan_layers
from transforms.rendering.opencv import make_layer
from transforms.rendering.packing import TILE
from transforms.rendering.parts import READ_FIELDS
from transforms.rendering.plan import plan_batch
from transforms.rendering.render import render_batch, start_batch

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


def drawn(count, picture, *, frames=12, size=(224, 224)):
    """Noise and paths of the default motions."""
    image = np.random.default_rng(count).integers(0, 256, (*picture, 3), dtype=np.uint8)
    mix = MotionMix.default()
    paths = [draw(mix, seed=i, image_size=picture, frames=frames, size=size).quads_T42 for i in range(count)]
    return [image] * count, paths


@pytest.mark.parametrize("size", [(96, 96), (61, 130)])
def test_kornia_equals_opencv_to_one_grey_level(batch, size):
    images, quads = batch
    theirs = render_batch(images, quads, size=size, renderer="kornia")
    for ours, frames in zip(render_batch(images, quads, size=size, renderer="opencv"), theirs, strict=True):
        difference = np.abs(ours.astype(int) - frames)
        assert frames.shape == ours.shape
        assert difference.max() <= 1
        assert (difference > 0).mean() < 0.05


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 400),
    st.integers(1, 400),
    st.floats(0.05, 1.0),
    st.floats(0.05, 1.0),
    st.integers(1, 130),
    st.integers(0, 9),
)
def test_opencv_and_torch_make_the_same_layers(h, w, start, end, side, seed):
    image = np.random.default_rng(seed).integers(0, 256, (h, w, 3), dtype=np.uint8)
    sides = np.linspace(start, end, 4)[:, None, None]
    quads = (FULL.astype(np.float64) - 0.5) * sides + 0.5
    planned, numbers = plan_batch([quads], [(h, w)], (side, side))
    words = torch.from_numpy(numbers)
    (part,) = planned.parts
    store = make_store(torch.from_numpy(image.ravel()), part, words.long())
    atlas = make_atlas(store, part, words.long(), words.view(torch.float32)).numpy()
    places = numbers[part.atlas.rectangles].reshape(-1, READ_FIELDS)[:, 4:] * TILE
    for (row, column), layer in zip(places, plan_layers(quads, (h, w), (side, side)), strict=True):
        height, width = layer.shape
        theirs = atlas[row : row + height, column : column + width]
        np.testing.assert_array_equal(make_layer(image, layer), theirs)


def test_frames_do_not_depend_on_the_batch(batch, monkeypatch):
    images, quads = batch
    together = render_batch(images, quads, size=(80, 80), renderer="kornia")
    alone = [
        render_batch([i], [q], size=(80, 80), renderer="kornia")[0]
        for i, q in zip(images, quads, strict=True)
    ]
    monkeypatch.setattr(plan, "LAYER_PIXELS", 2**18)
    in_parts = render_batch(images[::-1], quads[::-1], size=(80, 80), renderer="kornia")[::-1]
    for whole, single, part in zip(together, alone, in_parts, strict=True):
        np.testing.assert_array_equal(whole, single)
        np.testing.assert_array_equal(whole, part)


def test_deterministic_algorithms_change_neither_bits_nor_operators(batch):
    images, quads = batch
    before, plain = count_operators(lambda: render_batch(images, quads, size=(80, 80), renderer="kornia"))
    torch.use_deterministic_algorithms(True)
    try:
        after, strict = count_operators(lambda: render_batch(images, quads, size=(80, 80), renderer="kornia"))
    finally:
        torch.use_deterministic_algorithms(False)
    assert plain.operators == strict.operators
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    writes_by_index = {"aten.index_put_.default", "aten.scatter.src", "aten.index_copy.default"}
    assert not writes_by_index & set(plain.operators)


def test_the_number_of_operators_does_not_depend_on_the_batch():
    totals = {}
    for count in (8, 64):
        images, paths = drawn(count, (96, 128), frames=3, size=(64, 64))
        render_batch(images[:1], paths[:1], size=(64, 64), renderer="kornia")  # imports run operators too
        _, counted = count_operators(
            lambda images=images, paths=paths: render_batch(images, paths, size=(64, 64), renderer="kornia")
        )
        totals[count] = counted.total
    assert totals[64] <= 1.3 * totals[8]
    assert totals[64] <= 250


MOVED_GB = dict(zip(render_gpu.PICTURES, (18, 50, 68), strict=True))  # by a batch of 128, at most


@pytest.mark.parametrize("picture", render_gpu.PICTURES)
def test_64_clips_of_12_frames_cost_no_more_operators_than_8(picture):
    counts = render_gpu.count(*picture)
    assert counts["128"]["moved_gb"] < MOVED_GB[picture]  # which is most of its time on a GPU
    assert counts["64"]["operators"] <= min(1.3 * counts["8"]["operators"], 250)
    assert {(each["copies"], each["waits"]) for each in counts.values()} == {(2, 0)}


def test_a_batch_crosses_to_the_device_in_two_copies_and_nobody_waits():
    images, paths = drawn(16, (500, 400), frames=3)
    planned, numbers = plan_batch(paths, [image.shape[:2] for image in images], (224, 224))
    with fake_cuda() as fake:
        pixels, words = (
            fake(torch.empty(16 * 500 * 400 * 3, dtype=torch.uint8)),
            fake(torch.from_numpy(numbers)),
        )
        frames, counted = count_operators(
            lambda: render_packed(
                pixels.to(CUDA, non_blocking=True), planned, words.to(CUDA, non_blocking=True)
            )
        )
        assert frames.device == CUDA
        assert frames.shape == (48, 224, 224, 3)
    assert (counted.copies, counted.waits) == (2, 0)
    assert counted.kernels <= 100


@pytest.mark.parametrize(("placed", "copies"), [(False, 3), (True, 33)])
def test_a_jobs_batch_is_queued_on_its_stream_and_the_host_waits_once_for_the_frames(
    placed: bool, copies: int, monkeypatch
):
    """Pictures, plan and frames cross in a copy each; with places for the frames, in a copy per clip."""
    images, paths = drawn(16, (96, 128), frames=3)
    with fake_gpu(monkeypatch) as gpu:
        monkeypatch.setattr(torch.Tensor, "numpy", lambda t: np.zeros(tuple(t.shape), np.uint8))
        outputs = [None] * 16 if placed else None
        started, counted = count_operators(
            lambda: kornia.start_kornia(
                images, paths, (64, 64), "cuda:0", torch.cuda.Stream(), outputs=outputs
            )
        )
        queued = [line for line in gpu.log if line != PAGEABLE]  # the service page-locks the pictures' memory
        assert queued == ["on side", "event of side"]
        assert len(started.frames()) == 16
        assert gpu.log[-1] == "host waits for side"
    assert (counted.copies, counted.waits) == (copies, 0)


def test_one_call_of_kornia_for_a_batch(batch, monkeypatch):
    calls = []

    def counted(*arguments, remap=kornia.remap, **options):
        calls.append(options)
        return remap(*arguments, **options)

    monkeypatch.setattr(kornia, "remap", counted)
    images, quads = batch
    render_batch(images[:4], quads[:4], size=(32, 32), renderer="kornia")
    assert calls == [
        {"mode": "bilinear", "padding_mode": "border", "align_corners": False, "normalized_coordinates": True}
    ]


def test_packed_pictures_in_one_tensor_out(batch):
    images, _ = batch
    quads = np.stack([trajectory("zoom", 4)] * len(images))
    planned, numbers = plan_batch(quads, [image.shape[:2] for image in images], (40, 50))
    pixels = torch.from_numpy(np.concatenate([image.ravel() for image in images]))
    frames = render_packed(pixels, planned, to_device(numbers, torch.device("cpu")))
    expected = render_batch(images, list(quads), size=(40, 50), renderer="kornia")
    assert frames.dtype == torch.uint8
    assert frames.is_contiguous()
    np.testing.assert_array_equal(frames.numpy(), np.concatenate(expected))


def test_no_pictures_are_no_frames():
    assert render_batch([], [], size=(8, 8), renderer="kornia") == []
    planned, numbers = plan_batch([], [], (8, 8))
    empty = render_packed(torch.empty(0, dtype=torch.uint8), planned, torch.from_numpy(numbers))
    assert empty.shape == (0, 8, 8, 3)


def test_a_picture_too_large_for_exact_coordinates_is_refused():
    with pytest.raises(ValueError, match="picture of 4x20000: too large to render at 4x8000"):
        render_batch([np.zeros((20000, 4, 3), np.uint8)], [FULL[None]], size=(8000, 4), renderer="kornia")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_equals_the_cpu_to_one_grey_level(batch):
    images, quads = batch
    on_cpu = render_batch(images, quads, size=(96, 96), device="cpu")
    for ours, theirs in zip(on_cpu, render_batch(images, quads, size=(96, 96), device="cuda"), strict=True):
        assert np.abs(ours.astype(int) - theirs).max() <= 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_the_same_bits_every_time(batch):
    images, quads = batch
    first = render_batch(images, quads, size=(96, 96), device="cuda")
    torch.use_deterministic_algorithms(True)
    try:
        second = render_batch(images[::-1], quads[::-1], size=(96, 96), device="cuda")[::-1]
    finally:
        torch.use_deterministic_algorithms(False)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_batches_on_two_streams_give_the_frames_of_each_alone(batch):
    images, quads = batch
    streams = [torch.cuda.Stream() for _ in range(2)]
    begun = [
        start_batch(
            images,
            quads,
            size=(96, 96),
            device="cuda",
            stream=streams[number % 2],
            outputs=[np.empty((len(q), 96, 96, 3), np.uint8) for q in quads] if number < 3 else None,
        )
        for number in range(6)
    ]
    alone = render_batch(images, quads, size=(96, 96), device="cuda")
    for started in begun:
        for ours, theirs in zip(started.frames(), alone, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_batch_that_is_begun_gives_the_frames_of_one_that_is_waited_for(batch):
    images, quads = batch
    begun = start_batch(images, quads, size=(96, 96), device="cpu").frames()
    for ours, theirs in zip(
        begun, render_batch(images, quads, size=(96, 96), renderer="kornia"), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    places = [np.empty((len(q), 96, 96, 3), np.uint8) for q in quads[1:]]
    written = start_batch(images, quads, size=(96, 96), device="cpu", outputs=[None, *places]).frames()
    for ours, theirs in zip(written, begun, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert all(ours.ctypes.data == place.ctypes.data for ours, place in zip(written[1:], places, strict=True))
    with pytest.raises(ValueError, match="size"):
        start_batch(images, quads, size=(0, 96), device="cpu")


@pytest.mark.parametrize(("kind", "affine"), [("zoom", True), ("turn", True), ("tilt", False)])
def test_what_no_frame_needs_is_left_out_without_another_bit(kind, affine, monkeypatch):
    """Perspective, and bounds that only views of the picture's edges at more than its size reach."""
    image = np.random.default_rng(1).integers(0, 256, (300, 200, 3), dtype=np.uint8)
    quads = trajectory(kind, 4)
    (part,) = plan_batch([quads], [(300, 200)], (64, 48))[0].parts
    assert (part.is_affine, part.is_inside) == (affine, True)
    (edge,) = plan_batch([quads, FULL[None]], [(300, 200), (20, 16)], (64, 48))[0].parts
    assert not edge.is_inside
    lean, fewer = count_operators(lambda: render_batch([image], [quads], size=(64, 48), renderer="kornia"))
    replace = plan._PartPlanner.plan
    monkeypatch.setattr(
        plan._PartPlanner,
        "plan",
        lambda self: dataclasses.replace(replace(self), is_affine=False, is_inside=False),
    )
    full, more = count_operators(lambda: render_batch([image], [quads], size=(64, 48), renderer="kornia"))
    np.testing.assert_array_equal(lean[0], full[0])
    assert fewer.total < more.total
