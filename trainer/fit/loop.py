"""The training loop: batches to steps to logs, evaluations and checkpoints; and how a run ends."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from schemas.keys import derive_seed
from schemas.text import one_line
from trainer.data.animate import Inputs, to_device
from trainer.data.batch import Batch
from trainer.data.loader import TrainingLoader
from trainer.data.shards import Dropped
from trainer.device.errors import RunError, first_line, no_memory
from trainer.device.ranks import Ranks, barrier, gather_objects, mean
from trainer.device.stop import StopRequest
from trainer.fit.checkpoint import Best, RankState, RunState, random_state, save_checkpoint
from trainer.fit.config import TrainConfig
from trainer.fit.evaluation import evaluate_model
from trainer.fit.flops import flops_per_sample, peak_flops
from trainer.fit.logs import Console, LogFolder, Sink
from trainer.fit.optim import clamp_logit_scale, lr_share, named_parameters, set_lr
from trainer.fit.step import Step, StepLoss
from trainer.model.clip2video import CLIP2Video

DEAD_WORKER = (
    "DataLoader worker (pid"  # how torch begins when one was killed; errors inside one come as themselves
)
NAMED = 20  # samples or drops that one message names
Values = dict[str, float | None]


@dataclass
class Meters:
    """What was spent since the last record."""

    began: float = field(default_factory=time.perf_counter)
    waited: float = 0.0  # seconds for batches
    prepared: float = 0.0  # seconds of copying them to the device and planning their rendering there
    steps: int = 0


class Loop:
    """One rank's share of a run. Files and the console are rank 0's."""

    def __init__(
        self,
        config: TrainConfig,
        ranks: Ranks,
        model: CLIP2Video,
        optimizer: torch.optim.Optimizer,
        loader: TrainingLoader,
        *,
        epoch_samples: int | None,
        start: int = 0,
        best: Best | None = None,
        owed: bool = False,
        sinks: Sequence[Sink] = (),
        console: Console | None = None,
        logs: LogFolder | None = None,
        evaluation: Callable[[], Iterable[Batch]] | None = None,
    ) -> None:
        """`start`: steps done already; `owed`: but not the evaluation due then; `evaluation` makes a loader of what to evaluate
        on.
        """
        self.step, self.best, self.metrics = start, best, dict[str, float]()
        self.values: Values = {}
        self._config, self._ranks, self._model, self._optimizer, self._loader = (
            config,
            ranks,
            model,
            optimizer,
            loader,
        )
        self._epoch_samples, self._sinks, self._console, self._evaluation = (
            epoch_samples,
            sinks,
            console,
            evaluation,
        )
        self._logs = logs
        self._forward = Step(model, config, ranks)
        self._size = (model.image_size, model.image_size)
        self._flops, self._peak = flops_per_sample(model), peak_flops(ranks.device, config.precision)
        self._dropped = 0
        self._owed = owed
        self._measured_at: int | None = None
        self._meters = Meters()

    def run(self, stop: StopRequest) -> None:
        """Train to the last step, or until `stop` asks; a checkpoint is there either way. Raises RunError."""
        total = self._config.total_steps
        batches = iter(self._loader)
        self._meters = Meters()
        if self._owed and self._evaluation is not None and self._evaluate():
            self._save()
        while self.step < total:
            stopping = self._next_step(batches, stop)
            at_end = stopping or self.step == total
            if self.step % self._config.log.every == 0 or at_end:
                self._record()
            due = self._evaluation is not None and (
                self.step % self._config.eval_every == 0 or self.step == total
            )
            self._owed = (
                due and stopping
            )  # who asked to stop may not wait for it: the resumed run begins with it
            better = due and not stopping and self._evaluate()
            if self.step % self._config.save_every == 0 or better or at_end:
                self._save()
            if stopping:
                return

    def _next_step(self, batches: Iterator[Batch], stop: StopRequest) -> bool:
        try:
            began = time.perf_counter()
            taken = self._take(batches)
            self._meters.waited += time.perf_counter() - began
            return self._train_step(taken, stop)
        except (
            RuntimeError
        ) as error:  # torch raises it wherever this process happens to be when a loader process dies
            if DEAD_WORKER not in str(error):
                raise
            raise RunError(
                f"step {self.step + 1}: a loader process has died, most likely of memory: lower data.workers "
                f"(now {self._config.data.workers}), data.shuffle_megabytes or data.batches_ahead, or give /dev/shm more room; "
                f"torch says: {one_line(error, 200)}"
            ) from None

    def _take(self, batches: Iterator[Batch]) -> list[Batch]:
        try:
            return [next(batches) for _ in range(self._config.accumulate)]
        except (ConnectionError, EOFError) as error:
            if not self._config.data.workers or "in DataLoader worker process" in str(error):
                raise
            time.sleep(
                1.0
            )  # its sender died in the midst of a batch: torch's own word of that interrupts this
            raise RuntimeError(f"{DEAD_WORKER} unknown): {error}") from None

    def _train_step(self, batches: Sequence[Batch], stop: StopRequest) -> bool:
        try:
            stopping = self.update(batches, stop)
        except RuntimeError as error:
            if not no_memory(error):
                raise
            raise RunError(self._out_of_memory(error)) from None
        self.step += 1
        self._meters.steps += 1
        if self._console is not None:
            self._console.advance(self.values["loss"] or 0.0)
        return stopping

    def update(self, batches: Sequence[Batch], stop: StopRequest | None = None) -> bool:
        """One optimisation step on this rank's `accumulate` batches; whether `stop` asks on some rank (to all the same, and
        reduced with the losses: no second wait for the GPU). Raises RunError, and what torch raises.
        """
        config = self._config
        rates = set_lr(self._optimizer, lr_share(self.step, config.total_steps, config.optim))
        self._model.train()
        self._optimizer.zero_grad(set_to_none=True)
        began = time.perf_counter()
        parts = [to_device(batch, self._ranks.device, self._size) for batch in batches]
        self._meters.prepared += time.perf_counter() - began
        loss = self._forward.backward(parts, seed=derive_seed(config.seed, "negatives", self.step) >> 1)
        trained = [parameter for _, parameter in named_parameters(self._optimizer)]
        norm = torch.nn.utils.clip_grad_norm_(trained, config.optim.clip_norm)
        names = ["loss", *loss.parts, "negatives", "grad_norm"]
        asked = torch.full_like(norm, stop is not None and stop.asked)
        measured = [loss.total.detach(), *loss.parts.values(), loss.negatives, norm, asked]
        *numbers, asking = mean(torch.stack(measured), self._ranks).tolist()
        if not all(map(math.isfinite, numbers)):
            raise RunError(self._not_finite(loss, parts, numbers))
        self._optimizer.step()
        clamp_logit_scale(self._model, config.optim.max_logit_scale)
        self.values = dict(zip(names, numbers, strict=True))
        self.values |= {
            f"lr.{group}": rate for group, rate in rates.items() if not group.endswith("no_decay")
        }
        return bool(asking > 0)

    def _record(self) -> None:
        """Log the last step, with what was measured since the last record."""
        spent = max(time.perf_counter() - self._meters.began, 1e-9)
        rate = self._meters.steps * self._config.global_batch_size / spent
        peak = None if self._peak is None else self._peak * self._ranks.world
        mine = (
            self._loader.take_dropped(),
            self._meters.waited,
            self._meters.prepared,
            _memory_gb(self._ranks.device),
        )
        dropped, waited, prepared, memory = zip(*gather_objects(mine, self._ranks), strict=True)
        drops = [drop for of_rank in dropped for drop in of_rank]
        self._dropped += len(drops)
        samples = self.step * self._config.global_batch_size
        self.values |= {
            "logit_scale": self._model.clip.logit_scale.detach().exp().item(),
            "samples": samples,
            "epoch": samples / self._epoch_samples if self._epoch_samples else None,
            "samples_per_s": rate,
            "data_wait": max(waited) / spent,
            "prepare": max(prepared) / spent,
            "memory_gb": max(memory),
            "mfu": rate * self._flops / peak if peak else None,
            "dropped": self._dropped,
        }
        for sink in self._sinks:
            sink.write(self.step, self.values)
        self._tell(drops, "left out", f"in all {self._dropped}")
        self._meters = Meters()

    def _evaluate(self) -> bool:
        """Evaluate on rank 0; whether that is the best so far."""
        failed = ""
        if self._ranks.first and self._evaluation is not None:
            self._model.eval()
            try:
                found = evaluate_model(
                    self._model, self._evaluation(), self._ranks.device, self._config.precision
                )
                self.metrics = {**found.metrics, **found.counts}
                self._tell(found.dropped, "evaluation left out", "so its numbers are not of the whole set")
            except ValueError as error:
                failed = str(error)
            except RuntimeError as error:
                if not no_memory(error):
                    raise
                batch = self._config.data.eval_batch_size
                failed = f"out of memory; lower data.eval_batch_size (now {batch}). torch says: {first_line(error)}"
        failed, self.metrics = gather_objects((failed, self.metrics), self._ranks)[0]
        if failed:
            raise RunError(f"evaluation at step {self.step}: {failed}")
        self._measured_at, self._owed = self.step, False
        for sink in self._sinks:
            sink.write(self.step, self.metrics)
        value = self.metrics[self._config.chosen_by]
        lower = self._config.chosen_by.endswith(("MdR", "MnR"))
        better = self.best is None or (value < self.best.value if lower else value > self.best.value)
        if better:
            self.best = Best(self.step, value)
        self._meters = Meters()
        return better

    def _save(self) -> None:
        mine = RankState(self._loader.state().to_dict(), random_state(self._ranks.device))
        states = gather_objects(mine, self._ranks)
        if self._ranks.first:
            state = RunState(self.step, states, self.best, self._owed)
            measured = self.metrics if self._measured_at == self.step else {}
            try:
                if (
                    self._logs is not None
                ):  # first: a run that goes on from this checkpoint has the records up to it
                    self._logs.publish()
                path = save_checkpoint(
                    self._config, self._model, self._optimizer, state, {**self.values, **measured}
                )
            except OSError as error:
                told = one_line(error)
                raise RunError(
                    f"step {self.step}: no checkpoint could be written: {told}; resume=true goes on from the one before"
                ) from None
            self._say(f"saved {path}")
        barrier(self._ranks)
        self._meters = Meters()

    def _tell(self, drops: Sequence[Dropped], what: str, aside: str) -> None:
        if drops:
            more = f" and {len(drops) - NAMED} more" if len(drops) > NAMED else ""
            self._say(f"{what} {len(drops)} ({aside}): {'; '.join(map(str, drops[:NAMED]))}{more}")

    def _say(self, text: str) -> None:
        if self._console is not None:
            self._console.say(text)

    def _not_finite(self, loss: StepLoss, parts: Sequence[Inputs], numbers: Sequence[float]) -> str:
        """Which samples to look at: those whose features are not finite, or all of the step if it is the loss itself."""
        keys = [key for part in parts for key in part.keys]
        broken = [key for key, bad in zip(keys, loss.broken.tolist(), strict=True) if bad]
        everywhere = [key for part in gather_objects(broken, self._ranks) for key in part]
        named = everywhere or [key for part in gather_objects(keys, self._ranks) for key in part]
        more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        what = "samples whose features are not finite" if everywhere else "samples of the step"
        return (
            f"step {self.step + 1}: the loss is {numbers[0]} and the gradient's norm {numbers[-1]}; {what}: "
            f"{', '.join(named[:NAMED])}{more}; look at them, lower optim.lr_clip and optim.lr_new, or set precision=fp32"
        )

    def _out_of_memory(self, error: RuntimeError) -> str:
        config = self._config
        part = config.global_batch_size // self._ranks.world // config.accumulate
        checkpointing = "" if config.model.grad_checkpointing else "set model.grad_checkpointing=true, "
        return (
            f"out of memory at step {self.step + 1} with {part} clips of {config.model.max_frames} frames at a time on each "
            f"GPU: {checkpointing}raise accumulate (now {config.accumulate}; negatives stay), or lower global_batch_size "
            f"(now {config.global_batch_size}). torch says: {first_line(error)}"
        )


def _memory_gb(device: torch.device) -> float:
    """The most that was in use: GPU memory, or this process's resident memory on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
