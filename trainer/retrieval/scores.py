"""The list of retrieval metrics: name, column heading, direction, and the function of the ranks.

A new metric is one `Metric` in `METRICS`. Results, records, tables, `best_metric` and the choice of the best
checkpoint follow from the list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

DIRECTIONS = {"t2v": "text to video", "v2t": "video to text"}
RERANKED = "rerank."  # prefix of a metric after re-ranking
# Groups of metrics that are measured another way than the plain ones, and how tables call them.
TITLES = {
    "dual_softmax": "dual softmax (transductive)",
    "qb_norm": "QB-Norm (query bank)",
    "backwards": "with reversed clips",
}
# Metrics beyond retrieval, by full name: is lower better?
OF_MOTION = {"motion.accuracy": False, "backwards.preferred": True}


@dataclass(frozen=True)
class Metric:
    """One number that summarises the ranks of all queries."""

    name: str  # in results and records, such as "R1"
    column: str  # heading in printed tables, such as "R@1"
    lower_is_better: bool
    of_ranks: Callable[[np.ndarray, bool], float]  # ranks from 1, one per query; take the lower median?
    on_console: tuple[str, ...] = ()  # directions that a training run prints


def _recall_at(k: int) -> Callable[[np.ndarray, bool], float]:
    def recall(ranks: np.ndarray, lower_median: bool) -> float:
        return float(100.0 * np.mean(ranks <= k))

    return recall


def _median(ranks: np.ndarray, lower_median: bool) -> float:
    if lower_median:
        return float(np.sort(ranks)[(len(ranks) - 1) // 2])
    return float(np.median(ranks))


def _mean(ranks: np.ndarray, lower_median: bool) -> float:
    return float(np.mean(ranks))


METRICS = (
    Metric("R1", "R@1", False, _recall_at(1), on_console=("t2v", "v2t")),
    Metric("R5", "R@5", False, _recall_at(5)),
    Metric("R10", "R@10", False, _recall_at(10)),
    Metric("MdR", "MdR", True, _median, on_console=("t2v",)),
    Metric("MnR", "MnR", True, _mean),
)


def summarise(ranks: np.ndarray, *, lower_median: bool = False) -> dict[str, float]:
    """Return every metric of `METRICS` by name for ranks from 1, one per query."""
    return {metric.name: metric.of_ranks(ranks, lower_median) for metric in METRICS}


def full_names(*, reranked: bool = False) -> tuple[str, ...]:
    """Return the names of plain metrics in records: ``t2v.R1``, and ``rerank.t2v.R1`` with `reranked`."""
    coarse = tuple(f"{way}.{metric.name}" for way in DIRECTIONS for metric in METRICS)
    return coarse + tuple(RERANKED + name for name in coarse if reranked)


def console_names() -> tuple[str, ...]:
    """Return the names that a training run prints, coarse first."""
    coarse = tuple(f"{way}.{metric.name}" for metric in METRICS for way in metric.on_console)
    return (*coarse, *(RERANKED + name for name in coarse), *OF_MOTION)


def flat(
    coarse: dict[str, dict[str, float]],
    fine: dict[str, dict[str, float]] | None = None,
    extra: dict[str, dict[str, float]] | None = None,
) -> dict[str, float]:
    """Flatten results by direction or group into one mapping by full name."""
    groups = {
        **coarse,
        **{f"{RERANKED}{way}": values for way, values in (fine or {}).items()},
        **(extra or {}),
    }
    return {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}


def is_better(full_name: str, value: float, best: float) -> bool:
    """Is `value` of a metric, such as ``rerank.t2v.MdR`` or ``msvd/t2v.R1``, strictly better than `best`?"""
    if lower_is_better(full_name):
        return value < best
    return value > best


def lower_is_better(full_name: str) -> bool | None:
    """Is a lower value of a metric, such as ``msvd/rerank.t2v.MdR``, better? None for any other name."""
    of_set = full_name.rpartition("/")[2]
    if of_set in OF_MOTION:
        return OF_MOTION[of_set]
    group, _, name = of_set.rpartition(".")
    if group.rpartition(".")[2] not in DIRECTIONS:
        return None
    return next((metric.lower_is_better for metric in METRICS if metric.name == name), None)
