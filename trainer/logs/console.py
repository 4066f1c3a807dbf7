"""The console: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping

from schemas.text import duration
from trainer.retrieval.scores import console_names

LOG = logging.getLogger(__name__)
SHOWN = (
    *("loss", "negatives", "samples_per_s", "eta_s", "data_wait", "grad_norm"),
    *console_names(),
    "eval.videos",
)


class Console:
    """Logs records and messages. On a terminal, messages appear above the bar."""

    def __init__(self, name: str, total: int, start: int) -> None:
        from tqdm import tqdm

        self._terminal = sys.stderr.isatty() and LOG.isEnabledFor(logging.INFO)
        self._total = total
        self._bar = tqdm(
            total=total, initial=start, desc=name, unit="step", disable=not self._terminal, dynamic_ncols=True
        )

    def advance(self, loss: float) -> None:
        """Move the bar by one step."""
        self._bar.update()
        self._bar.set_postfix(loss=f"{loss:.4f}", refresh=False)

    def say(self, text: str) -> None:
        """Log one line."""
        LOG.info(text)

    def write(self, step: int, values: Mapping[str, float | None]) -> None:
        """Print the values in SHOWN; those of a named set of an evaluation on a line of their own.

        On a terminal the bar shows the loss, so only evaluations are printed.
        """
        by_set: dict[str, dict[str, float | None]] = {}
        for full_name, value in values.items():
            prefix, _, name = full_name.rpartition("/")
            by_set.setdefault(prefix, {})[name] = value
        for prefix, of_set in by_set.items():
            shown = [_shown(name, value) for name in SHOWN if (value := of_set.get(name)) is not None]
            if not self._terminal or "eval.videos" in of_set:
                where = f"  {prefix}" if prefix else ""
                self.say(f"step {step}/{self._total}{where}  " + "  ".join(shown))

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()


def _shown(name: str, value: float) -> str:
    if name == "eta_s":
        return f"{duration(value)} left"
    return f"{name} {value:.4g}"
