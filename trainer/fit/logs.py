"""Where a run's numbers go: a progress bar or plain lines, metrics.jsonl, TensorBoard, and W&B if asked for."""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from schemas.errors import ConfigError
from storage.read import exists, open_uri
from storage.uris import is_remote, join
from storage.write import upload

METRICS_FILE = "metrics.jsonl"


class Sink(Protocol):
    """Something that takes records."""

    def write(self, step: int, values: Mapping[str, float | None]) -> None:
        """Numbers of one step; None where one is not known."""

    def close(self) -> None:
        """Write what is left."""


class LogFolder:
    """Where a run's logs are written: its output, or a local folder that `publish` copies there if it is an object store.

    Objects cannot be appended to. What was logged after the last checkpoint goes with a killed run, as its steps do.
    """

    def __init__(self, output: str) -> None:
        """Raises OSError if the output cannot be read or made."""
        self._remote = output if is_remote(output) else None
        self._published: dict[Path, int] = {}  # size; logs only grow
        if self._remote is None:
            self.path = Path(output)
            self.path.mkdir(parents=True, exist_ok=True)
            return
        self._folder = tempfile.TemporaryDirectory(prefix="zoetrope-")
        self.path = Path(self._folder.name)
        before = join(self._remote, METRICS_FILE)
        if exists(before):
            with open_uri(before) as stream:
                (self.path / METRICS_FILE).write_bytes(stream.read())

    def publish(self) -> None:
        """Bring the object store up to date. Raises OSError naming what cannot be written."""
        if self._remote is None:
            return
        for file in sorted(path for path in self.path.rglob("*") if path.is_file()):
            size = file.stat().st_size
            if self._published.get(file) != size:
                upload(file, join(self._remote, str(file.relative_to(self.path))))
                self._published[file] = size


class Console:
    """A bar on a terminal, plain lines elsewhere; messages stand above the bar."""

    SHOWN = (
        "loss",
        "negatives",
        "samples_per_s",
        "data_wait",
        "grad_norm",
        "t2v.R1",
        "v2t.R1",
        "t2v.MdR",
        "rerank.t2v.R1",
        "rerank.v2t.R1",
        "eval.videos",
    )

    def __init__(self, name: str, total: int, start: int) -> None:
        from tqdm import tqdm

        self._terminal = sys.stderr.isatty()
        self._total = total
        self._bar = tqdm(
            total=total, initial=start, desc=name, unit="step", disable=not self._terminal, dynamic_ncols=True
        )

    def advance(self, loss: float) -> None:
        """One step further."""
        self._bar.update()
        self._bar.set_postfix(loss=f"{loss:.4f}", refresh=False)

    def say(self, text: str) -> None:
        """One line for the user."""
        self._bar.write(text, file=sys.stderr)

    def write(self, step: int, values: Mapping[str, float | None]) -> None:
        """A line with what matters; on a terminal the bar has the loss, so there only evaluations."""
        shown = [f"{name} {value:.4g}" for name in self.SHOWN if (value := values.get(name)) is not None]
        if not self._terminal or "t2v.R1" in values:
            self.say(f"step {step}/{self._total}  " + "  ".join(shown))

    def close(self) -> None:
        """End the bar."""
        self._bar.close()


class JsonLines:
    """One JSON object a record, ``step`` first; numbers that are not finite, and unknown ones, are null."""

    def __init__(self, path: Path, resume_step: int) -> None:
        """Records after `resume_step` are of a run that was cut off: they will be written again."""
        if path.exists():
            kept = [line for line in path.read_text().splitlines() if _step_of(line) <= resume_step]
            partial = path.with_name(f".{path.name}.partial")
            partial.write_text("".join(f"{line}\n" for line in kept))
            partial.replace(path)
        self._file = path.open("a", buffering=1)

    def write(self, step: int, values: Mapping[str, float | None]) -> None:
        """One line, in the file when this returns."""
        finite = {k: v if v is not None and math.isfinite(v) else None for k, v in values.items()}
        self._file.write(json.dumps({"step": step, **finite}) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _step_of(line: str) -> float:
    """The step of a record; a line that a kill cut off is after everything."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf


class TensorBoard:
    """Scalars for TensorBoard."""

    def __init__(self, folder: Path, resume_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=resume_step + 1 if resume_step else None)

    def write(self, step: int, values: Mapping[str, float | None]) -> None:
        """A scalar for each known number."""
        for name, value in values.items():
            if value is not None:
                self._writer.add_scalar(name.replace(".", "/"), value, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class WandB:
    """Weights & Biases, where its package is installed."""

    def __init__(self, project: str, name: str, config: Mapping[str, Any], folder: Path) -> None:
        try:
            import wandb
        except ImportError:
            raise ConfigError(
                f"log.wandb={project}, but wandb is not installed: pip install wandb, or log.wandb=null"
            ) from None
        self._run = wandb.init(
            project=project, name=name, config=dict(config), dir=str(folder), resume="allow", id=name
        )

    def write(self, step: int, values: Mapping[str, float | None]) -> None:
        """The known numbers of a step."""
        self._run.log({k: v for k, v in values.items() if v is not None}, step=step)

    def close(self) -> None:
        """End the run on the server."""
        self._run.finish()
