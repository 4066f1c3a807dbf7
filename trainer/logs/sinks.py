"""The places that records are written to: metrics.jsonl, TensorBoard, Weights & Biases."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from schemas.errors import ConfigError
from schemas.json_text import read_json


class Sink(Protocol):
    """A place that records are written to."""

    def write(self, step: int, values: Mapping[str, float | None]) -> None:
        """Write the values of one step. None is an unknown value."""

    def close(self) -> None:
        """Write what is buffered and close."""


AS_IS = "surrogateescape"  # a damaged line stays the bytes that it is


class JsonLines:
    """One JSON object per record, ``step`` first. Unknown and non-finite values become null."""

    def __init__(self, path: Path, resume_step: int) -> None:
        """Drop records after `resume_step`: the resumed run writes these steps again."""
        if path.exists():
            kept = [line for line in _lines(path) if _step_of(line) <= resume_step]
            partial = path.with_name(f".{path.name}.partial")
            partial.write_text("".join(f"{line}\n" for line in kept), errors=AS_IS)
            partial.replace(path)
        self._file = path.open("a", buffering=1)

    def write(self, step: int, values: Mapping[str, float | None]) -> None:
        """Write one line. The line is in the file when this returns."""
        finite = dict(values)
        for name, value in values.items():
            if value is not None and not math.isfinite(value):
                finite[name] = None  # JSON has no NaN
        self._file.write(json.dumps({"step": step, **finite}) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _lines(path: Path) -> list[str]:
    return path.read_text(errors=AS_IS).splitlines()


def _step_of(line: str) -> float:
    """Return the step of a record. A line that a kill truncated counts as the latest of all."""
    try:
        return int(read_json(line)["step"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return math.inf


class TensorBoard:
    """Scalars for TensorBoard."""

    def __init__(self, folder: Path, resume_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        purge_step = None  # a resumed run replaces what an earlier one wrote after its checkpoint
        if resume_step:
            purge_step = resume_step + 1
        self._writer = SummaryWriter(str(folder), purge_step=purge_step)

    def write(self, step: int, values: Mapping[str, float | None]) -> None:
        """Write one scalar per known value."""
        for name, value in values.items():
            if value is not None:
                self._writer.add_scalar(name.replace(".", "/"), value, step)

    def close(self) -> None:
        """Write what is buffered and close."""
        self._writer.close()


class WandB:
    """Weights & Biases, if its package is installed."""

    def __init__(self, project: str, name: str, run_id: str, config: Mapping[str, Any], folder: Path) -> None:
        """`run_id` identifies the run for resuming. Raises ConfigError if the package is missing."""
        try:
            import wandb
        except ImportError:
            raise ConfigError(
                f"log.wandb={project}, but wandb is not installed: pip install wandb, or log.wandb=null"
            ) from None
        self._run = wandb.init(
            project=project, name=name, config=dict(config), dir=str(folder), resume="allow", id=run_id
        )

    def write(self, step: int, values: Mapping[str, float | None]) -> None:
        """Write the known values of a step."""
        self._run.log({k: v for k, v in values.items() if v is not None}, step=step)

    def close(self) -> None:
        """End the run on the server."""
        self._run.finish()
