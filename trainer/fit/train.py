"""Training: pretrain or fine-tune from shards, in one process or under torchrun."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from schemas.config import flatten
from schemas.errors import ConfigError
from schemas.text import one_line
from trainer.data.augment.patches import PatchChoice
from trainer.data.loader import LoaderState, TrainingLoader
from trainer.data.mixing.sets import describe_sets
from trainer.data.shards import ShardSet
from trainer.device.compiler import choose_compiling
from trainer.device.errors import NO_ROOM, RunError, first_line, lost_peer, no_memory, of_cpu
from trainer.device.precision import repeatable
from trainer.device.ranks import Ranks, barrier, gather_objects, start_ranks
from trainer.device.stop import stop_signals
from trainer.fit.ahead import Ahead
from trainer.fit.checkpoint import RunState, find_last, load_state, saved_config, set_random_state
from trainer.fit.config import TrainConfig
from trainer.fit.evaluation import Evaluator, find_sets
from trainer.fit.initialise import make_model
from trainer.fit.loop import Loop
from trainer.fit.recorder import Recorder
from trainer.fit.saver import Saver
from trainer.fit.step import TrainingStep
from trainer.logs.run_logs import RunLogs
from trainer.model.clip2video import CLIP2Video
from trainer.optimise.average import WeightAverage
from trainer.optimise.optim import freeze, make_optimizer

# A resumed run may differ in these: they move no weight (deterministic: none by more than rounding).
FREE = (
    *("resume", "init", "output", "log", "eval_every", "save_every", "keep", "device", "deterministic"),
    "evaluate",
    *(
        f"data.{name}"
        for name in (
            "shards",
            "eval_shards",
            "eval_batch_size",
            "eval_motion_phrases",
            "batches_ahead",
            "read_ahead",
            "broken_shards",
        )
    ),
)


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

    Raises ConfigError for what cannot be started, RunError (a loss that is not finite, memory that runs out),
    ShardError (data that cannot be read) and OSError (an output that cannot be written) for what cannot go
    on.
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
    last = _check_output(config)
    check_ranks(ranks, last)
    choose_compiling(config.compile, ranks.device)  # a mistake here is one before anything is written
    part = _part_size(config, ranks)
    shards = [ShardSet.find(of_set.shards or "") for of_set in config.data.sets()]
    torch.manual_seed(config.seed)
    if last is None:
        model, notes = make_model(config.model, config.init)
    else:
        model, notes = CLIP2Video(config.model), []
    model.to(ranks.device)
    freeze(model, config.freeze)
    optimizer = make_optimizer(model, config.optim)
    average = None
    if config.optim.ema is not None:
        average = WeightAverage(model, config.optim.ema)
    state = None
    if last is not None:
        state = load_state(last, model, optimizer, average)
    start, best = 0, None
    if state is not None:
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
        state=_loader_state(state, ranks),
        pin_memory=ranks.device.type == "cuda",
        accumulate=config.accumulate,
        patches=PatchChoice.dropping(config.model.patch_dropout, model.patches),
    )


def _check_output(config: TrainConfig) -> str | None:
    """Return the checkpoint to resume from, or None. Raises ConfigError if the output holds another run."""
    try:
        last = find_last(config.output)
    except OSError as error:
        raise ConfigError(f"output={config.output} cannot be read: {one_line(error)}") from None
    if last is None:
        return None
    name = last.rpartition("/")[2]
    if not config.resume:
        raise ConfigError(
            f"output={config.output} holds a run up to {name}: set resume=true to continue it, or another "
            "output"
        )
    before, now = _settings(_with_defaults(saved_config(last))), _settings(config.to_dict())
    for field in sorted(before.keys() | now.keys()):
        if before.get(field) != now.get(field) and not any(
            field == free or field.startswith(f"{free}.") for free in FREE
        ):
            raise ConfigError(
                f"resume: {field} was {before.get(field)!r} in {name} and is {now.get(field)!r}; set it "
                "back, or start a new "
                f"run with init={config.output}/last"
            )
    return last


def _settings(values: dict[str, Any]) -> dict[str, Any]:
    """Flatten a config. The places of the shards in a mix may change, as those of `data.shards` may."""
    flat = flatten(values)
    for number, entry in enumerate(flat.pop("data.mix", None) or ()):
        flat |= {f"data.mix.{number}.{name}": value for name, value in entry.items() if name != "shards"}
    return flat


def _with_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """Add the fields that the version which wrote a checkpoint did not have yet, with their defaults."""
    try:
        return TrainConfig.make(values).to_dict()
    except ConfigError:  # fields that this version does not have; the comparison names them
        return values


def check_ranks(ranks: Ranks, last: str | None) -> None:
    """Raise ConfigError unless all ranks resume from the same step.

    Their output must be one that all of them see.
    """
    seen = gather_objects(last and last.rpartition("/")[2], ranks)
    if len(set(seen)) > 1:
        other = next(rank for rank, name in enumerate(seen) if name != seen[0])
        raise ConfigError(
            f"resume: rank 0 sees {seen[0] or 'no checkpoint'} and rank {other} sees "
            f"{seen[other] or 'none'}; `output` must be "
            "on storage that every machine of the run shares: give an absolute path, or gs://"
        )


def _part_size(config: TrainConfig, ranks: Ranks) -> int:
    """Samples that a rank encodes at a time."""
    parts = ranks.world * config.accumulate
    if config.global_batch_size % parts:
        near = max(1, round(config.global_batch_size / parts)) * parts
        raise ConfigError(
            f"global_batch_size = {config.global_batch_size} is not a multiple of {ranks.world} ranks x "
            "accumulate = "
            f"{config.accumulate}; the nearest that is: {near}"
        )
    return config.global_batch_size // parts


def _loader_state(state: RunState | None, ranks: Ranks) -> LoaderState | None:
    if state is None:
        return None
    if len(state.ranks) != ranks.world:
        raise ConfigError(
            f"resume: the run had {len(state.ranks)} ranks and now has {ranks.world}; start as many, or a "
            "new run with init="
        )
    return LoaderState.from_dict(state.ranks[ranks.rank].loader)


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
