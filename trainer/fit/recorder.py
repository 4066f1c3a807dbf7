"""Records of training steps: the last step's values, and rates over the steps since the last record."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from trainer.data.augment.curriculum import Curriculum
from trainer.data.shards import Dropped
from trainer.device.ranks import Ranks, gather_objects
from trainer.fit.advice import some_of
from trainer.fit.config import TrainConfig
from trainer.fit.flops import flops_per_sample, peak_flops
from trainer.fit.step import StepResult
from trainer.logs.eta import Eta, Pause
from trainer.logs.run_logs import RunLogs
from trainer.model.clip2video import CLIP2Video

Values = dict[str, float | None]


@dataclass
class Meters:
    """Time spent between `began` and `ended`."""

    began: float = field(default_factory=time.perf_counter)
    ended: float = 0.0  # of the last step
    waited: float = 0.0  # seconds of waiting for the loader, in each step of the slowest rank
    prepared: float = 0.0  # seconds of copying batches and planning their rendering, likewise
    steps: int = 0


class Recorder:
    """Measures steps on every rank; the first rank writes the records."""

    def __init__(
        self,
        config: TrainConfig,
        ranks: Ranks,
        model: CLIP2Video,
        logs: RunLogs,
        epoch_samples: int | None,
    ) -> None:
        """`epoch_samples`: samples in the shards; None if it is not known."""
        self.values: Values = {}  # of the last step, and of the last record
        self._config, self._ranks = config, ranks
        self._logs, self._epoch_samples = logs, epoch_samples
        self._flops = flops_per_sample(model)
        self._peak = peak_flops(ranks.device, config.precision)
        eval_every = None
        if config.evaluated_sets:
            eval_every = config.eval_every
        self._eta = Eta(config.total_steps, save_every=config.save_every, eval_every=eval_every)
        self._dropped = 0
        self._fresh_drops: list[Dropped] = []  # of this rank, since the last record
        self._some_dropped = False  # on any rank, since the last record
        self._memory_gb = 0.0
        self._meters = Meters()

    def restart(self) -> None:
        """Measure from now on."""
        self._meters = Meters()

    @contextmanager
    def paused(self, kind: Pause) -> Iterator[None]:
        """Keep the time of an evaluation or a checkpoint out of the rates."""
        if self._meters.steps:  # since the last record
            self._eta.add_steps(self._meters.steps, self._meters.ended - self._meters.began)
        began = time.perf_counter()
        yield
        self._eta.add_pause(kind, time.perf_counter() - began)
        self.restart()

    def add(self, result: StepResult, dropped: Sequence[Dropped]) -> None:
        """Count one step, and the samples that were dropped on the way to its batches."""
        self._fresh_drops.extend(dropped)
        self.values = dict(result.values)
        self._meters.steps += 1
        self._meters.ended = result.ended
        self._meters.waited += result.spent.waited
        self._meters.prepared += result.spent.prepared
        self._some_dropped |= result.spent.dropped > 0
        self._memory_gb = result.spent.memory_gb
        self._logs.advance(self.values["loss"] or 0.0)

    def record(self, step: int) -> None:
        """Write a record of `step` and restart the meters. All ranks must call it.

        Ranks exchange only the names of samples that were left out: an exchange waits for the device.
        """
        meters = self._meters
        spent = max(meters.ended - meters.began, 1e-9)
        drops: list[Dropped] = []
        if self._some_dropped:
            drops = [drop for of_rank in gather_objects(self._fresh_drops, self._ranks) for drop in of_rank]
        self._dropped += len(drops)
        self._fresh_drops, self._some_dropped = [], False
        samples = step * self._config.global_batch_size
        rate = meters.steps * self._config.global_batch_size / spent
        self._eta.add_steps(meters.steps, spent)
        self.values |= {
            "samples": samples,
            "epoch": samples / self._epoch_samples if self._epoch_samples else None,
            "samples_per_s": rate,
            "eta_s": self._eta.seconds_left(step),
            "data_wait": min(meters.waited / spent, 1.0),  # of one step it may be that of its neighbour
            "prepare": meters.prepared / spent,
            "memory_gb": self._memory_gb,
            "mfu": self._mfu(rate, step),
            "dropped": self._dropped,
        }
        self._logs.write(step, self.values)
        say_drops(self._logs, drops, "left out", f"in all {self._dropped}")
        self._meters = Meters(began=meters.ended)

    def _mfu(self, samples_per_s: float, step: int) -> float | None:
        """Return the model's share of the peak of all ranks' devices.

        None if the peak is unknown, and while a curriculum takes fewer frames than are counted.
        """
        stages = self._config.data.frames_curriculum
        frames = self._config.model.max_frames
        if stages is not None and Curriculum(tuple(stages)).frames(step - 1) < frames:
            return None
        if not self._peak:
            return None
        return samples_per_s * self._flops / (self._peak * self._ranks.world)


def say_drops(logs: RunLogs, drops: Sequence[Dropped], what: str, aside: str) -> None:
    """Print which samples were left out, if any."""
    if drops:
        logs.say(f"{what} {len(drops)} ({aside}): {some_of(drops, '; ')}")
