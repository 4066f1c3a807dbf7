"""The frame picker."""

from __future__ import annotations

import numpy as np

from transforms.stores.picking import jittered_indices, sample_indices


def test_frames_are_evenly_spaced_and_the_first_and_last_are_kept() -> None:
    assert list(sample_indices(5, 12)) == [0, 1, 2, 3, 4]
    assert list(sample_indices(30, 4)) == [0, 9, 19, 29]
    assert list(sample_indices(30, 1)) == [0]


def test_jitter_is_that_of_clip2videos_training_loader() -> None:
    """Indices move by up to half their distance, the upper end excluded; not where half is two or less."""
    rng = np.random.default_rng(0)
    even = sample_indices(120, 12)
    drawn = np.stack([sample_indices(120, 12, rng) for _ in range(400)])
    assert (np.diff(drawn, axis=1) > 0).all()
    moved = drawn - even
    assert not moved[:, [0, -1]].any()
    assert set(moved[:, 1:-1].reshape(-1).tolist()) == set(range(-5, 5))
    assert len({tuple(row) for row in drawn.tolist()}) == 400
    for count in (5, 12, 66):  # 66 lie five apart
        assert np.array_equal(sample_indices(count, 12, rng), sample_indices(count, 12))
    assert not np.array_equal(sample_indices(67, 12, rng), sample_indices(67, 12))
    assert [list(sample_indices(67, limit, rng)) for limit in (1, 2)] == [[0], [0, 66]]


def drawn(kind: str, count: int = 60, limit: int = 12) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([jittered_indices(count, limit, rng, kind) for _ in range(300)])


def test_segments_take_any_frame_of_each_part() -> None:
    indices = drawn("segments")
    parts = indices - 5 * np.arange(12)
    assert (parts.min(), parts.max()) == (0, 4)
    assert all(set(parts[:, part]) == set(range(5)) for part in range(12))
    assert (np.diff(indices, axis=1) > 0).all()
    uneven = drawn("segments", count=14)
    assert (np.diff(uneven, axis=1) > 0).all()
    assert set(uneven[:, -1]) <= {12, 13}


def test_a_random_start_keeps_the_distances() -> None:
    indices = drawn("start")
    assert set(indices[:, 0]) == set(range(5))
    assert (np.diff(indices, axis=1) == 5).all()
    assert drawn("start", count=13).max() <= 12


def test_short_clips_and_the_papers_jitter_are_as_before() -> None:
    rng = np.random.default_rng(3)
    for kind in ("segments", "start", "clip2video"):
        assert jittered_indices(5, 12, rng, kind).tolist() == [0, 1, 2, 3, 4]
    one, two = (np.random.default_rng(4) for _ in range(2))
    assert np.array_equal(jittered_indices(120, 12, one, "clip2video"), sample_indices(120, 12, two))
