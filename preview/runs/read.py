"""Find runs, and read what their folders say about them: records, config, progress."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from preview.runs.series import MAX_RECORDS, Records, Series, read_records
from schemas.config import flatten
from schemas.errors import ConfigError
from schemas.text import counted, duration, one_line
from schemas.yaml_text import MAX_BYTES, read_yaml
from storage.folders import iter_below
from storage.read import exists, open_uri
from storage.uris import join, local_path
from trainer.logs.folder import METRICS_FILE

CONFIG_FILE = "config.yaml"
MOST_RUNS = 32  # on one page
# Seconds since the last record up to which a run counts as going; an evaluation may take minutes.
GOING = 900.0


@dataclass(frozen=True)
class Run:
    """One run."""

    name: str  # its path below the folder of all runs
    series: Mapping[str, Series]
    config: Mapping[str, Any]  # dotted field -> value; empty if it cannot be read
    last_step: int | None  # of the last record; None without one
    total_steps: int | None  # of the whole run, if its config says so
    silent: float | None  # seconds since the last record; None in an object store
    notes: tuple[str, ...]  # what could not be read

    @property
    def batch_size(self) -> int | None:
        """Samples of a step, if the config says so."""
        return _whole(self.config.get("global_batch_size"))

    @property
    def finished(self) -> bool:
        """Did the run reach its last step?"""
        if self.last_step is None or self.total_steps is None:
            return False
        return self.last_step >= self.total_steps

    @property
    def going(self) -> bool:
        """Was something recorded in the last minutes, and is there more to come?"""
        return not self.finished and self.silent is not None and self.silent < GOING

    @property
    def status(self) -> str:
        """Say how far the run is, in a few words."""
        if self.last_step is None:
            return "no record yet"
        where = f"step {self.last_step:,}"
        if self.total_steps:
            where += f" of {self.total_steps:,}"
        if self.finished:
            return f"finished, {where}"
        if self.going:
            return f"going, {where}{self._left()}"
        if self.silent is not None:
            where += f", last record {duration(self.silent)} ago"
        return where

    def _left(self) -> str:
        left = self.series.get("eta_s")
        if left is None or not len(left):
            return ""
        return f", about {duration(max(left.values[-1] - (self.silent or 0.0), 0.0))} left"


def find_runs(places: Sequence[str]) -> list[str]:
    """Return the folders of runs below folders, local or in an object store, in the order of the places.

    Raises ConfigError for a place without a run, and if there are more than MOST_RUNS.
    """
    found: list[str] = []
    for place in places:
        folder = _folder(place)
        names = [name for name, _ in iter_below(folder) if name.rpartition("/")[2] == METRICS_FILE]
        if not names:
            raise ConfigError(
                f"{place}: no run is here (no {METRICS_FILE}); give the output of a `zoetrope train`, or a "
                "folder of such outputs"
            )
        found += sorted(join(folder, name.rpartition("/")[0]).rstrip("/") for name in names)
    found = list(dict.fromkeys(found))
    if len(found) > MOST_RUNS:
        raise ConfigError(f"{len(found)} runs are more than the {MOST_RUNS} of a page; name some of them")
    return found


def _folder(place: str) -> str:
    """Return the folder of a place: the place itself, or the folder of the log that it names."""
    head, _, name = place.rpartition("/")
    if name == METRICS_FILE:
        place = head
    if place.startswith("/"):
        return place.rstrip("/") or "/"
    return place.rstrip("/") or "."


def read_runs(places: Sequence[str]) -> list[Run]:
    """Read every run below the places. Raises ConfigError as `find_runs`."""
    folders = find_runs(places)
    return [read_run(folder, name) for folder, name in zip(folders, _names(folders), strict=True)]


def read_run(folder: str, name: str) -> Run:
    """Read one run; what cannot be read is a note."""
    notes: list[str] = []
    records = Records({}, None)
    try:
        with open_uri(join(folder, METRICS_FILE)) as stream:
            records = read_records(stream)
    except OSError as error:
        notes.append(f"{METRICS_FILE} cannot be read: {one_line(error, 200)}")
    if records.skipped:
        lines = counted(records.skipped, "line")
        notes.append(
            f"{METRICS_FILE}: skipped {lines} without a record; the first is line {records.first_skipped}"
        )
    if records.cut:
        notes.append(f"{METRICS_FILE} has more than {MAX_RECORDS:,} records; the rest is not shown")
    config = _config(folder, notes)
    return Run(
        name=name,
        series=records.series,
        config=config,
        last_step=records.last_step,
        total_steps=_total_steps(config),
        silent=_silent(folder),
        notes=tuple(notes),
    )


def _config(folder: str, notes: list[str]) -> dict[str, Any]:
    file = join(folder, CONFIG_FILE)
    try:
        if not exists(file):
            notes.append(f"no {CONFIG_FILE}: the length and the settings of the run are not known")
            return {}
        with open_uri(file) as stream:
            values = read_yaml(stream.read(MAX_BYTES + 1))
        if isinstance(values, dict):
            return flatten({str(name): value for name, value in values.items()})
        notes.append(f"{CONFIG_FILE} is no mapping of fields")
    except (OSError, ValueError) as error:
        notes.append(f"{CONFIG_FILE} cannot be read: {one_line(error, 200)}")
    return {}


def _total_steps(config: Mapping[str, Any]) -> int | None:
    steps = _whole(config.get("max_steps"))
    if steps is not None:
        return steps
    samples, batch = _whole(config.get("max_samples")), _whole(config.get("global_batch_size"))
    if samples is None or batch is None:
        return None
    return -(-samples // batch)


def _whole(value: object) -> int | None:
    """Return a number above 0 of a config, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        return None
    return value


def _silent(folder: str) -> float | None:
    here = local_path(join(folder, METRICS_FILE))
    if here is None:
        return None
    try:
        return max(time.time() - os.stat(here).st_mtime, 0.0)
    except OSError:
        return None


def _names(folders: Sequence[str]) -> list[str]:
    """Return each folder's path below the folder that holds them all; of a single one its last name."""
    parts = [folder.split("/") for folder in folders]
    shared = 0
    while all(len(each) > shared + 1 and each[shared] == parts[0][shared] for each in parts):
        shared += 1
    return ["/".join(each[shared:]) or "." for each in parts]
