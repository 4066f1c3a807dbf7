"""The numbers of a sample that histograms count, and that a page filters and sorts by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Measure:
    """One number of each row of samples.parquet, and the lower edges of its histogram's bins."""

    columns: tuple[str, ...]
    values: Callable[[pa.RecordBatch], np.ndarray]  # float64 [rows]; NaN where it is not known
    edges: tuple[float, ...]


def floats(values: pa.Array) -> np.ndarray:
    """Return float64 [N], with NaN for null."""
    # Not safe: that refuses numbers beyond 2**53, which a foreign table can hold.
    return pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def _short_side(batch: pa.RecordBatch) -> np.ndarray:
    return np.minimum(floats(batch["original_width"]), floats(batch["original_height"]))


def _aspect(batch: pa.RecordBatch) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return floats(batch["original_width"]) / floats(batch["original_height"])


SIZE = ("original_width", "original_height")
MEASURES: Mapping[str, Measure] = {
    "zoom": Measure(
        ("zoom",),
        lambda batch: floats(batch["zoom"]),
        (1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2, 2.5, 3, 4, 6, 8),
    ),
    "short_side": Measure(
        SIZE, _short_side, (0, 64, 128, 192, 256, 320, 384, 448, 512, 640, 768, 1024, 1536, 2048, 4096)
    ),
    "aspect": Measure(SIZE, _aspect, (0, 0.5, 0.6, 0.7, 0.8, 0.95, 1.05, 1.25, 1.4, 1.6, 1.8, 2, 3)),
    "caption_length": Measure(
        ("caption",),
        lambda batch: floats(pc.utf8_length(batch["caption"])),
        (0, 10, 20, 30, 40, 50, 60, 80, 100, 150, 200, 300, 500),
    ),
    "sample_bytes": Measure(
        ("bytes",),
        lambda batch: floats(batch["bytes"]),
        tuple(1024 * k for k in (0, 8, 16, 32, 64, 128, 192, 256, 384, 512, 1024, 4096)),
    ),
}


def raised(values: np.ndarray) -> np.ndarray:
    """Lift float32 values that are just below the edge they were meant to be on.

    1.2 is stored as 1.2000000477 and 1.1 as 1.1000000238, but 1.3 as 1.2999999523.
    """
    return values * (1 + 1e-7)


def bin_counts(values: np.ndarray, edges: tuple[float, ...]) -> np.ndarray:
    """Count the values in each bin: int64 [len(edges)].

    The first bin also holds all below its edge, the last all above. NaN is in none.
    """
    known = values[np.isfinite(values)]
    where = np.searchsorted(np.asarray(edges, np.float64), raised(known), side="right") - 1
    return np.bincount(where.clip(0), minlength=len(edges))
