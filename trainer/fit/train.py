"""Training: pretrain or fine-tune from shards, in one process or under torchrun."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from schemas.errors import ConfigError
from trainer.data.augment.patches import PatchChoice
from trainer.data.loader import TrainingLoader
from trainer.data.mixing.sets import describe_sets
from trainer.data.shards import ShardSet
from trainer.device.compiler import choose_compiling
from trainer.device.errors import NO_ROOM, RunError, first_line, lost_peer, no_memory, of_cpu
from trainer.device.precision import repeatable
from trainer.device.ranks import Ranks, barrier, start_ranks
from trainer.device.stop import stop_signals
from trainer.fit.ahead import Ahead
from trainer.fit.checkpoint import RunState, load_state, set_random_state
from trainer.fit.config import TrainConfig
from trainer.fit.evaluation import Evaluator, find_sets
from trainer.fit.initialise import make_model
from trainer.fit.loop import Loop
from trainer.fit.recorder import Recorder
from trainer.fit.resume import check_output, check_ranks, loader_state
from trainer.fit.saver import Saver
from trainer.fit.step import TrainingStep
from trainer.logs.run_logs import RunLogs
from trainer.model.clip2video import CLIP2Video
from trainer.optimise.average import WeightAverage
from trainer.optimise.optim import freeze, make_optimizer


@dataclass(frozen=True)
class Result:
    """How a run ended."""

    output: str
    step: int
    samples: int
    loss: float | None  # of the last step; None if there was nothing left to do
    metrics: dict[str, float]  # of the last evaluation, such as "t2v.R1"; empty without one
    stopped_by: int | None  # the signal that ended it early


def train(config: TrainConfig) -> Result:
    """Run the whole of `config` on this process's share of the ranks.

    Raises ConfigError for a run that cannot be started. A run that cannot continue raises RunError (a loss
    that is not finite, memory that runs out), ShardError (data that cannot be read) or OSError (an output
    that cannot be written).
    """
    try:
        with start_ranks(config.device) as ranks, repeatable(config.deterministic):
            return _train(config, ranks)
    except (RunError, ConfigError):
        raise
    except RuntimeError as error:
        if lost_peer(error):
            raise RunError(
                f"another rank has ended, and its line says why; torch says: {first_line(error)}"
            ) from error
        if no_memory(error):  # before the first step: the model itself
            cause = "the GPU has no room for the model; is it in use?"
            if of_cpu(error):
                cause = f"{NO_ROOM}."
            raise RunError(f"out of memory: {cause} torch says: {first_line(error)}") from error
        raise


def _train(config: TrainConfig, ranks: Ranks) -> Result:
    last = check_output(config)
    check_ranks(ranks, last)
    choose_compiling(config.compile, ranks.device)  # a mistake here is one before anything is written
    part = _part_size(config, ranks)
    shards = [ShardSet.find(of_set.shards or "") for of_set in config.data.sets()]
    torch.manual_seed(config.seed)
    model, notes = _model(config, ranks, last)
    optimizer = make_optimizer(model, config.optim)
    average = None
    if config.optim.ema is not None:
        average = WeightAverage(model, config.optim.ema)
    state = None
    start, best = 0, None
    if last is not None:
        state = load_state(last, model, optimizer, average)
        start, best = state.step, state.best
    loader = _loader(config, ranks, model, shards, part, state)
    sets = find_sets(config, ranks, model)
    if state is not None:
        set_random_state(state.ranks[ranks.rank].random, ranks.device)
    barrier(ranks)
    logs = RunLogs()
    if ranks.first:
        logs = _open_logs(config, start)
    for line in _summary(config, ranks, model, shards, part, start, notes):
        logs.say(line)
    train_step = TrainingStep(config, ranks, model, optimizer, average)
    recorder = Recorder(config, ranks, model, logs, epoch_samples=_epoch_samples(config, shards))
    evaluator = Evaluator(config, ranks, model, logs, sets, best, average)
    saver = Saver(config, ranks, model, optimizer, logs, average)
    size = (model.image_size, model.image_size)
    ahead = Ahead(loader, config.accumulate, ranks.device, size, workers=config.data.workers)
    loop = Loop(config, ranks, ahead, train_step, recorder, evaluator, saver)
    try:
        with stop_signals() as stop:
            done = loop.run(start, stop, owed=state is not None and state.owed)
    finally:
        logs.close()
    logs.publish()
    samples = done * config.global_batch_size
    loss = recorder.values.get("loss")
    return Result(config.output, done, samples, loss, evaluator.metrics, stop.signal)


def _model(config: TrainConfig, ranks: Ranks, last: str | None) -> tuple[CLIP2Video, list[str]]:
    """Return the model to train, and notes on where its weights come from. A resume loads them later."""
    if last is None:
        model, notes = make_model(config.model, config.init)
    else:
        model, notes = CLIP2Video(config.model), []
    model.to(ranks.device)
    freeze(model, config.freeze)
    return model, notes


def _epoch_samples(config: TrainConfig, shards: Sequence[ShardSet]) -> int | None:
    """Clips that an epoch trains on.

    None for a mix, whose sets have epochs of their own, and without a manifest.
    """
    if config.data.mix is not None or shards[0].samples is None:
        return None
    return shards[0].samples * config.data.paths_per_picture


def _loader(
    config: TrainConfig,
    ranks: Ranks,
    model: CLIP2Video,
    shards: Sequence[ShardSet],
    part: int,
    state: RunState | None,
) -> TrainingLoader:
    return TrainingLoader(
        shards,
        config.data,
        model.tokenize,
        frames=config.model.max_frames,
        size=(model.image_size, model.image_size),
        batch_size=part,
        seed=config.seed,
        rank=ranks.rank,
        world=ranks.world,
        state=loader_state(state, ranks),
        pin_memory=ranks.device.type == "cuda",
        accumulate=config.accumulate,
        patches=PatchChoice.dropping(config.model.patch_dropout, model.patches),
    )


def _part_size(config: TrainConfig, ranks: Ranks) -> int:
    """Samples that a rank encodes at a time."""
    parts = ranks.world * config.accumulate
    if config.global_batch_size % parts:
        near = max(1, round(config.global_batch_size / parts)) * parts
        raise ConfigError(
            f"global_batch_size = {config.global_batch_size} is not a multiple of {ranks.world} ranks x "
            f"accumulate = {config.accumulate}; the nearest that is: {near}"
        )
    return config.global_batch_size // parts


def _open_logs(config: TrainConfig, start: int) -> RunLogs:
    return RunLogs.open(
        config.output,
        start=start,
        total_steps=config.total_steps,
        config=config.to_dict(),
        tensorboard=config.log.tensorboard,
        wandb=config.log.wandb,
    )


def _summary(
    config: TrainConfig,
    ranks: Ranks,
    model: CLIP2Video,
    shards: Sequence[ShardSet],
    part: int,
    start: int,
    notes: list[str],
) -> list[str]:
    """The run in numbers, printed at the start: steps, batch, negatives, parameters."""
    size = sum(p.numel() for p in model.parameters()) / 1e6
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad) / 1e6
    total = config.total_steps * config.global_batch_size
    epoch = _epoch_samples(config, shards)
    epochs = ""
    if epoch:
        epochs = f" = {total / epoch:.2f} epochs"
    many = f"ranks {ranks.world}"
    readers = max(1, min(config.data.workers, *(len(each.uris) // ranks.world for each in shards)))
    lines = [
        f"{config.output}: {size:.1f} M parameters, {trained:.1f} M trained; {ranks.device}, "
        f"{config.precision}, {choose_compiling(config.compile, ranks.device).describe()}",
        *describe_sets(config.data, shards, f"{many} x readers {readers}"),
        f"batch: {config.global_batch_size} = {many} x parts {config.accumulate} x samples {part}; "
        f"each text has up to {config.global_batch_size - 1} negatives",
        f"length: {config.total_steps} steps = {total} samples{epochs}",
    ]
    if start:
        lines.append(f"resuming after step {start}")
    return [*lines, *notes]
