"""The experiment as a use-case: make the corpus, run the steps, write the results."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.config import LabConfig
from lab.corpus.make import Corpus
from lab.page import write_page
from lab.plan import Plan
from lab.results import Results
from lab.steps import Step, Steps
from schemas.config import flatten
from schemas.errors import ConfigError

LOG = logging.getLogger(__name__)
# Fields that may differ between two runs on one output: they change no number that is already there.
FREE = ("arms", "seeds", "jobs", "loader_workers", "bootstrap", "output", "corpus.tuning", "results")


def run(config: LabConfig, *, until: str = "results") -> Path | None:
    """Run what is missing. Returns the table's file, or None with `until` corpus or data.

    Raises ConfigError for an output of another config, LabError for a step that fails.
    """
    folder = Path(config.output)
    _check_output(folder, config)
    Corpus(config.corpus, folder / "corpus", cache_folder(folder)).make(os.cpu_count() or 1)
    if until == "corpus":
        return None
    plan = Plan(config)
    cores = os.cpu_count() or 1
    jobs = config.jobs or (cores if config.device == "cpu" else 1)
    steps: list[Step] = list(plan.data_steps())
    if until != "data":
        steps += plan.training_steps()
    Steps(folder, jobs, threads=max(1, cores // jobs)).run(steps)
    if until == "data":
        return None
    return table(config)


def cache_folder(output: Path) -> Path:
    """The folder of the downloaded package of objects: in the user's home, or else in the output.

    In a container the user may have no home, or one without the right to write.
    """
    home = Path(os.path.expanduser("~"))
    if home.is_absolute() and os.access(home, os.W_OK):
        return home / ".cache" / "zoetrope"
    return output / "cache"


def table(config: LabConfig) -> Path:
    """Write the results of finished runs. Raises ConfigError if one is missing."""
    plan = Plan(config)
    folder = Path(config.output)
    for what in plan.measured():
        if not (folder / what.file).exists():
            raise ConfigError(
                f"{folder / what.file} is missing; run `zoetrope lab run` with this config first"
            )
    results = Results(config, plan)
    file = results.write(folder / config.results)
    write_page(file.parent / "index.html", results)
    return file


def _check_output(folder: Path, config: LabConfig) -> None:
    """Keep the config in the output, and compare it with that of an earlier run."""
    file = folder / "lab.json"
    values = config.to_dict()
    if file.exists():
        before = _relevant(json.loads(file.read_text()))
        now = _relevant(values)
        differing = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
        if differing:
            name = differing[0]
            raise ConfigError(
                f"{folder} holds a lab with {name} = {before.get(name)!r}, this one has {now.get(name)!r}; "
                "choose another output, or delete the folder"
            )
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values, indent=1) + "\n")


def _relevant(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flatten(values).items() if name not in FREE}
