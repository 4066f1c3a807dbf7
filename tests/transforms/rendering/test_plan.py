from __future__ import annotations

import pickle

import numpy as np
import pytest

from transforms.rendering import plan
from transforms.rendering.packing import TILE
from transforms.rendering.parts import FRAME_FIELDS, READ_FIELDS
from transforms.rendering.plan import plan_batch

FULL = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
SIZE = (32, 32)


def test_a_plan_covers_every_clip_once(monkeypatch):
    monkeypatch.setattr(plan, "LAYER_PIXELS", 3 * TILE**2)
    pictures = [(50, 60), (300, 200), (20, 500), (90, 90), (400, 400)]
    quads = [np.stack([FULL] * frames) for frames in (1, 4, 2, 3, 1)]
    planned, words = plan_batch(quads, pictures, SIZE)
    assert planned.counts == (1, 4, 2, 3, 1)
    assert len(planned.parts) > 1
    assert sum(part.frames for part in planned.parts) == 11
    ends = [0, *(part.pixels.stop for part in planned.parts)]
    assert [part.pixels.start for part in planned.parts] == ends[:-1]
    assert ends[-1] == 3 * sum(h * w for h, w in pictures)
    assert words.dtype == np.int32


def test_reads_stay_in_the_store():
    rng = np.random.default_rng(0)
    pictures = [tuple(rng.integers(1, 3000, 2).tolist()) for _ in range(20)]
    quads = [(FULL[None] - 0.5) * side + 0.5 for side in rng.uniform(0.1, 1.0, 20)]
    planned, words = plan_batch(quads, pictures, SIZE)
    (part,) = planned.parts
    assert part.levels
    limits = [*(level.first_byte for level in part.levels), part.store_bytes]
    for tiling, limit in zip([*(level.tiling for level in part.levels), part.atlas], limits, strict=True):
        first, pitch, row, column, _, _ = words[tiling.rectangles].reshape(-1, READ_FIELDS).T
        assert first.min() >= 0
        assert (first + row * pitch + column * 3 + 3 <= limit).all()
        assert words[tiling.rectangle_of_tile].max() < len(first)


def test_a_frame_is_sampled_on_its_own_layer():
    """The bounds of a frame's coordinates are its layer's, and one pixel is 1024 steps."""
    planned, words = plan_batch([FULL[None], FULL[None]], [(32, 32), (64, 128)], SIZE)
    (part,) = planned.parts
    table = words[part.table].view(np.float32).reshape(-1, FRAME_FIELDS)
    np.testing.assert_array_equal(table[:, 0], [1024, 4 * 1024])
    width, height = ((table[:, 10 + axis] - table[:, 8 + axis]) / 1024 + 1 for axis in range(2))
    assert width.tolist() == [32, 128]
    assert height.tolist() == [32, 64]


def test_plans_travel_between_processes():
    planned, _ = plan_batch([FULL[None]], [(40, 50)], SIZE)
    assert pickle.loads(pickle.dumps(planned)) == planned


@pytest.mark.parametrize(
    ("quads", "message"),
    [
        ([FULL], r"\[T, 4, 2\]"),
        ([FULL[None], FULL[None, :3]], r"\[T, 4, 2\]"),
        ([FULL[None], np.empty((0, 4, 2))], "T >= 1"),
        ([FULL[None], FULL[None] * 1.1], r"in \[0, 1\]"),
        ([FULL[None, ::-1]], "clockwise"),
    ],
)
def test_quads_that_cannot_be_used(quads, message):
    with pytest.raises(ValueError, match=message):
        plan_batch(quads, [(40, 50)] * len(quads), SIZE)


def test_a_picture_whose_bytes_no_store_can_address_is_refused():
    with pytest.raises(ValueError, match="picture of 30000x30000: too large to render at 32x32"):
        plan_batch([FULL[None]], [(30000, 30000)], SIZE)


def test_memory_bounds_the_size_of_a_part():
    quads = [FULL[None].repeat(12, 0)] * 300
    planned, _ = plan_batch(quads, [(400, 400)] * 300, (224, 224))
    frame_pixels = [part.frames * 224 * 224 for part in planned.parts]
    assert len(frame_pixels) == 2
    assert max(frame_pixels) <= plan.FRAME_PIXELS + 12 * 224 * 224
