"""The scores of filters in the tables of an output: the column `scores`, JSON by filter."""

from __future__ import annotations

import numpy as np
import orjson
import pyarrow as pa

COLUMN = "scores"


def scores_of(batch: pa.RecordBatch) -> dict[str, np.ndarray]:
    """The scores of some rows by filter, float64 [n]. Rows without one are left out.

    Outputs of earlier versions lack the column; they have no scores.
    """
    if COLUMN not in batch.schema.names:
        return {}
    found: dict[str, list[float]] = {}
    for text in batch[COLUMN].drop_null().to_pylist():
        for name, score in orjson.loads(text).items():
            found.setdefault(name, []).append(float(score))
    return {name: np.asarray(values, np.float64) for name, values in found.items()}


def filter_of(reason: str, detail: str) -> str:
    """The filter that dropped an input, from the row of a failure; "" for any other failure."""
    if reason != "filtered":
        return ""
    return detail.partition(": ")[0]
