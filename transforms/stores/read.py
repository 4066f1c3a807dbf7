"""The decoder of a stored sample, for every reader: members and KEY.json to frames."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from schemas.clip import ClipMeta
from transforms.stores.base import Members, at_most
from transforms.stores.registry import find_store

MAX_BYTES = 1 << 30  # of the frames of one clip, which are held at a time


def read_clip(
    members: Members, meta: ClipMeta, *, frames: int | None = None, size: tuple[int, int] | None = None
) -> np.ndarray:
    """Decode a stored clip to uint8 RGB [T,h,w,3], on the CPU. A still is rendered along its stored path.

    `frames` takes at most so many, picked by `sample_indices`; `size` = (height, width) fits stored frames by
    `fit` and renders stills at that size. Raises ValueError for members that are missing, broken or too
    large.
    """
    pick = range if frames is None else at_most(frames)
    try:
        return _stacked(find_store(meta.store).decode(members, meta, pick, size))
    except (ValueError, OSError, MemoryError):
        raise
    except Exception as error:  # decoders raise many kinds of error on hostile bytes and a hostile KEY.json
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _stacked(frames: Iterable[np.ndarray]) -> np.ndarray:
    clip: list[np.ndarray] = []
    held = 0
    for frame_HWC in frames:
        if clip and frame_HWC.shape != clip[0].shape:
            raise ValueError(f"frame {len(clip)} has another size than the first")
        held += frame_HWC.nbytes
        if held > MAX_BYTES:
            raise ValueError(f"the frames take more than {MAX_BYTES} bytes; read fewer, or at a smaller size")
        clip.append(frame_HWC)
    return np.stack(clip)
