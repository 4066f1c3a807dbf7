"""All logs of a run behind one object, which does nothing on ranks other than the first."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from schemas.errors import ConfigError
from schemas.text import one_line
from trainer.logs.console import Console
from trainer.logs.folder import METRICS_FILE, RUN_ID_FILE, LogFolder
from trainer.logs.sinks import JsonLines, Sink, TensorBoard, WandB


class RunLogs:
    """Writes records to every sink and messages to the console."""

    def __init__(
        self,
        sinks: Sequence[Sink] = (),
        console: Console | None = None,
        folder: LogFolder | None = None,
    ) -> None:
        """Without arguments nothing is logged anywhere."""
        self._sinks, self._console, self._folder = list(sinks), console, folder

    @classmethod
    def open(
        cls,
        output: str,
        *,
        start: int,
        total_steps: int,
        config: Mapping[str, Any],
        tensorboard: bool,
        wandb: str | None,
    ) -> RunLogs:
        """Open the logs of a run that begins after `start` steps. `config` is recorded, `wandb` is a project.

        Raises ConfigError if the output cannot be written or a logging package is missing.
        """
        try:
            folder = LogFolder(output)
            (folder.path / "config.yaml").write_text(yaml.safe_dump(dict(config), sort_keys=False))
            folder.publish()
        except OSError as error:
            raise ConfigError(f"output={output} cannot be written: {one_line(error)}") from None
        name = output.rstrip("/").rpartition("/")[2]
        console = Console(name, total_steps, start)
        sinks: list[Sink] = [console, JsonLines(folder.path / METRICS_FILE, start)]
        if tensorboard:
            sinks.append(TensorBoard(folder.path / "tensorboard", start))
        if wandb:
            sinks.append(WandB(wandb, name, run_id(folder.path, start), config, folder.path))
        return cls(sinks, console, folder)

    def write(self, step: int, values: Mapping[str, float | None]) -> None:
        """Write one record to every sink."""
        for sink in self._sinks:
            sink.write(step, values)

    def say(self, text: str) -> None:
        """Print one line."""
        if self._console is not None:
            self._console.say(text)

    def advance(self, loss: float) -> None:
        """Move the progress bar by one step."""
        if self._console is not None:
            self._console.advance(loss)

    def publish(self) -> None:
        """Copy the logs to an object store, if the output is one. Raises OSError."""
        if self._folder is not None:
            self._folder.publish()

    def close(self) -> None:
        """Close every sink."""
        for sink in self._sinks:
            sink.close()


def run_id(folder: Path, start: int) -> str:
    """Return the run's identifier, kept in its log folder. A resumed run keeps it; no other run has it."""
    file = folder / RUN_ID_FILE
    if start and file.exists():
        return file.read_text().strip()
    new = uuid.uuid4().hex
    file.write_text(new)
    return new
