"""Several runs side by side: their best values, and the settings in which they differ."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from preview.runs.comparable import LOSS, measured_by
from preview.runs.read import Run
from preview.runs.series import Series
from trainer.retrieval.scores import lower_is_better

VALUE_LIMIT = 100  # characters of a setting
NOT_COMPARED = ("output", "resume")  # they differ and change no number
UNKNOWN = "–"


@dataclass(frozen=True)
class Best:
    """The best value of a metric in a run."""

    value: float
    step: int
    best_of: int = 0  # runs that were compared, of which none is better; 0: one is, or none can be compared


@dataclass(frozen=True)
class MetricRow:
    """One metric over all runs."""

    name: str
    cells: tuple[Best | None, ...]  # one per run, None where it was not measured


@dataclass(frozen=True)
class SettingRow:
    """One setting over all runs."""

    name: str
    cells: tuple[str, ...]  # one per run


def best_metrics(runs: Sequence[Run]) -> list[MetricRow]:
    """Return a row per metric of retrieval, in the order of the logs, then the lowest loss."""
    names = [name for name in series_names(runs) if lower_is_better(name) is not None]
    rows = [_row(name, bool(lower_is_better(name)), runs) for name in names]
    if any(LOSS in run.series for run in runs):
        rows.append(_row(LOSS, True, runs))
    return rows


def series_names(runs: Sequence[Run]) -> list[str]:
    """Return the names of all values of all runs, each once."""
    return list(dict.fromkeys(name for run in runs for name in run.series))


def differences(runs: Sequence[Run]) -> list[SettingRow]:
    """Return a row per setting that is not the same in all runs; none for a single run."""
    names = list(dict.fromkeys(name for run in runs for name in run.config))
    rows = []
    for name in names:
        if name in NOT_COMPARED:
            continue
        cells = tuple(_setting(run, name) for run in runs)
        if len(set(cells)) > 1:
            rows.append(SettingRow(name, cells))
    return rows


def _row(name: str, lower: bool, runs: Sequence[Run]) -> MetricRow:
    """A row, with the best values marked among runs that measured the same thing."""
    found = [_best(run.series.get(name), lower) for run in runs]
    groups: dict[str, list[int]] = {}
    for place, (run, best) in enumerate(zip(runs, found, strict=True)):
        meaning = measured_by(run, name)
        if best is not None and meaning is not None:
            groups.setdefault(meaning, []).append(place)
    for places in groups.values():
        if len(places) > 1:
            _mark(found, places, lower)
    return MetricRow(name, tuple(found))


def _mark(found: list[Best | None], places: Sequence[int], lower: bool) -> None:
    """Mark the best of the values at some places, in place."""
    values = [best.value for place in places if (best := found[place]) is not None]
    goal = max(values)
    if lower:
        goal = min(values)
    for place in places:
        best = found[place]
        if best is not None and best.value == goal:
            found[place] = replace(best, best_of=len(places))


def _best(series: Series | None, lower: bool) -> Best | None:
    if series is None or not len(series):
        return None
    at = int(np.argmax(series.values))
    if lower:
        at = int(np.argmin(series.values))
    return Best(float(series.values[at]), int(series.steps[at]))


def _setting(run: Run, name: str) -> str:
    if name not in run.config:
        return UNKNOWN
    text = _plain(run.config[name])
    if len(text) > VALUE_LIMIT:
        return text[: VALUE_LIMIT - 1] + "…"
    return text


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.6g}"
    return json.dumps(value, ensure_ascii=False, default=str)
