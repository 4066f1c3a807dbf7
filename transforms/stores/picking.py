"""The frame picker: which frames of a stored clip a reader takes."""

from __future__ import annotations

import numpy as np


def jittered_indices(count: int, limit: int, rng: np.random.Generator, kind: str) -> np.ndarray:
    """Pick at most `limit` of `count` frames for training, ascending.

    clip2video: see `sample_indices`. segments: one frame anywhere in each of `limit` equal parts (Wang et
    al., Temporal segment networks, 2016). start: evenly spaced from a random start within the first step.
    """
    if kind == "clip2video" or count <= limit:
        return sample_indices(count, limit, rng)
    if kind == "segments":
        bounds = np.arange(limit + 1) * count // limit
        return rng.integers(bounds[:-1], bounds[1:])
    step = count / limit
    return ((rng.random() + np.arange(limit)) * step).astype(int)


def sample_indices(count: int, limit: int, rng: np.random.Generator | None = None) -> np.ndarray:
    """Pick at most `limit` of `count` frames, evenly spaced, with the first and the last, as CLIP2Video does.

    `rng` adds the jitter of CLIP2Video's training loader where the indices are six or more apart. Each one
    but the first and the last then moves by up to half that distance, to either side.
    """
    if count <= limit:
        return np.arange(count)
    indices = np.linspace(0, count - 1, limit, dtype=int)
    if rng is None or limit <= 2:
        return indices
    reach = (indices[1] - indices[0]) // 2
    if reach > 2:
        indices[1:-1] += rng.integers(-reach, reach, limit - 2)
    return indices
