"""Checkpoints: one folder per checkpoint, written whole or not at all. They hold data and no code.

OUTPUT/step_00001000/
  model.safetensors config.json   the model (see trainer.model.io); "train" in config.json is the run's config
  metrics.json versions.json      the last measurements, and the versions that they were made with
  state/run.json                  step, best so far, and the loader state of every rank
  state/tensors.safetensors       optimizer moments by parameter name, and random states of every rank;
                                  with optim.ema the trained weights (model.safetensors has their averages)
OUTPUT/last, OUTPUT/best          links to the newest and the best checkpoint; objects in a store

In an object store config.json is uploaded last and removed first. A folder without it does not count.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor

from schemas.errors import ConfigError
from schemas.json_text import read_json, read_json_as
from schemas.text import one_line
from storage.folders import list_names
from storage.local import local_copy
from storage.read import exists, open_uri
from storage.uris import is_remote, join
from storage.write import remove_folder, write_bytes, written_folder
from trainer.device.versions import versions
from trainer.fit.config import TrainConfig
from trainer.model.clip2video import CLIP2Video
from trainer.model.io import CONFIG_FILE, TRAINED, TRAINED_FILE, WEIGHTS_FILE, follow, save_model
from trainer.model.weights.files import write_tensors
from trainer.optimise.average import WeightAverage, averaged
from trainer.optimise.optim import named_parameters

STEP = re.compile(r"step_(\d{8})")
LAST, BEST = "last", "best"
TENSORS_FILE, RUN_FILE = TRAINED_FILE, "state/run.json"
MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Best:
    """The best evaluation so far."""

    step: int
    value: float


@dataclass(frozen=True)
class RankState:
    """The state of one rank."""

    loader: dict[str, Any]  # JSON values
    random: dict[str, Tensor]  # device type -> uint8


@dataclass(frozen=True)
class RunState:
    """The state of a run after `step` steps."""

    step: int
    ranks: Sequence[RankState]
    best: Best | None
    owed: bool = False  # the evaluation that is due at this step was not made


@dataclass(frozen=True)
class _RunFile:
    """RUN_FILE."""

    step: Annotated[int, Ge(0)]
    loaders: tuple[dict[str, Any], ...]  # of every rank
    best: Best | None = None
    owed: bool = False


def save_checkpoint(
    config: TrainConfig,
    model: CLIP2Video,
    optimizer: torch.optim.Optimizer,
    state: RunState,
    metrics: Mapping[str, float | None],
    average: WeightAverage | None = None,
) -> str:
    """Write one checkpoint, update the links `last` and `best`, and delete checkpoints that need not be kept.

    With an `average` its weights are the model's, and the trained ones go to the state. Returns its folder.
    Raises OSError naming what cannot be written.
    """
    output, name = config.output, f"step_{state.step:08d}"
    with written_folder(join(output, name), last=CONFIG_FILE) as folder:
        (folder / "state").mkdir()
        with averaged(average):
            save_model(model, folder, extra={"train": config.to_dict(), "step": state.step})
        _write_json(folder / "metrics.json", {"step": state.step, **metrics})
        _write_json(folder / "versions.json", versions())
        tensors = {**_optimizer_tensors(optimizer), **_random_tensors(state.ranks), **_trained(average)}
        write_tensors(tensors, folder / TENSORS_FILE)
        _write_json(folder / RUN_FILE, _run_values(state))
    # The links come after the folder, so they always name a whole checkpoint.
    _point(join(output, LAST), name)
    if state.best is not None:
        # Not only when the best is new: a kill after the folder was written may have left the link at an
        # older one.
        _point_to_best(output, state.best)
    _prune(output, config.keep)
    return join(output, name)


def _run_values(state: RunState) -> dict[str, Any]:
    """Return what RUN_FILE holds of a state; its tensors are in TENSORS_FILE."""
    best = None
    if state.best:
        best = asdict(state.best)
    return {
        "step": state.step,
        "best": best,
        "owed": state.owed,
        "loaders": [rank.loader for rank in state.ranks],
    }


def find_last(output: str) -> str | None:
    """Return the folder of the newest checkpoint of a run, or None.

    Raises OSError if the store does not answer.
    """
    for name in reversed(_steps(output)):
        folder = join(output, name)
        if exists(join(folder, CONFIG_FILE)):
            return folder
    return None


def load_state(
    checkpoint: str,
    model: CLIP2Video,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage | None = None,
) -> RunState:
    """Restore weights and optimizer, and return the rest. Raises ConfigError naming what does not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        with local_copy(checkpoint, (WEIGHTS_FILE, TENSORS_FILE, RUN_FILE)) as folder:
            weights, tensors = load_file(folder / WEIGHTS_FILE), load_file(folder / TENSORS_FILE)
            run = read_json_as(_RunFile, (folder / RUN_FILE).read_bytes())
        model.load_state_dict(weights)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ConfigError(f"resume: {checkpoint} cannot be used: {one_line(error, 400)}") from None
    if average is not None:
        trained = {name.removeprefix(TRAINED): t for name, t in tensors.items() if name.startswith(TRAINED)}
        try:
            average.restore(weights, trained)
        except KeyError as error:
            raise ConfigError(f"resume: {checkpoint} lacks the trained weights of {error}") from None
    _restore_optimizer(optimizer, tensors, checkpoint)
    ranks = [
        RankState(loader, _random_of(tensors, rank, checkpoint)) for rank, loader in enumerate(run.loaders)
    ]
    return RunState(run.step, ranks, run.best, run.owed)


def _random_of(tensors: Mapping[str, Tensor], rank: int, checkpoint: str) -> dict[str, Tensor]:
    found = {name: tensors[f"random.{rank}.{name}"] for name in _random_names(tensors, rank)}
    cpu, here = found.get("cpu"), torch.get_rng_state()
    if cpu is None or cpu.dtype != here.dtype or cpu.shape != here.shape:
        raise ConfigError(
            f"resume: {checkpoint}: the random state of rank {rank} is missing or of another size; start "
            "a new run with init="
        )
    return found


def saved_config(checkpoint: str) -> dict[str, Any]:
    """Return the TrainConfig values that a checkpoint was made with. Raises ConfigError."""
    try:
        with open_uri(join(checkpoint, CONFIG_FILE)) as stream:
            values: dict[str, Any] = read_json(stream.read())["train"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"resume: {checkpoint}/config.json cannot be read: {error}") from None
    return values


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return torch's random state of this process, for `set_random_state`."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(state: Mapping[str, Tensor], device: torch.device) -> None:
    """Restore what `random_state` returned."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return moments and step counts by parameter name. Parameters without a gradient so far have none."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in named_parameters(optimizer):
        state = optimizer.state.get(parameter, {})
        for key in (*MOMENTS, "step"):
            if key in state:
                tensors[f"optimizer.{key}.{name}"] = torch.as_tensor(state[key]).detach().cpu().contiguous()
    return tensors


def _trained(average: WeightAverage | None) -> dict[str, Tensor]:
    """Return the trained weights of a run with averaged ones."""
    if average is None:
        return {}
    return {f"{TRAINED}{name}": tensor.cpu().contiguous() for name, tensor in average.trained().items()}


def _restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], checkpoint: str
) -> None:
    for name, parameter in named_parameters(optimizer):
        found = {key: tensors.get(f"optimizer.{key}.{name}") for key in (*MOMENTS, "step")}
        if all(value is None for value in found.values()):
            continue
        shapes = [value is not None and value.shape for value in found.values()]
        if shapes != [*[parameter.shape] * len(MOMENTS), torch.Size([])]:
            raise ConfigError(
                f"resume: {checkpoint}: the optimizer state of {name} is missing or of another shape"
            )
        optimizer.state[parameter] = {
            key: value.to(parameter.device, copy=True) for key, value in found.items() if value is not None
        }


def _random_tensors(ranks: Sequence[RankState]) -> dict[str, Tensor]:
    return {
        f"random.{rank}.{name}": t for rank, state in enumerate(ranks) for name, t in state.random.items()
    }


def _random_names(tensors: Mapping[str, Tensor], rank: int) -> list[str]:
    prefix = f"random.{rank}."
    return [name.removeprefix(prefix) for name in tensors if name.startswith(prefix)]


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")


def _point(link: str, target: str) -> None:
    if is_remote(link):
        write_bytes(link, f"{target}\n".encode())
        return
    place = Path(link)
    partial = place.with_name(f".{place.name}.partial")
    partial.unlink(missing_ok=True)
    partial.symlink_to(target)
    os.replace(partial, place)


def _point_to_best(output: str, best: Best) -> None:
    name = f"step_{best.step:08d}"
    if exists(join(output, name, CONFIG_FILE)):
        _point(join(output, BEST), name)


def _steps(output: str) -> list[str]:
    """Return the names of the checkpoints, oldest first, and of interrupted uploads."""
    return [name for name in list_names(output) if STEP.fullmatch(name)]


def _prune(output: str, keep: int) -> None:
    link = join(output, BEST)
    if is_remote(link):
        best = follow(link)
    else:
        best = str(Path(link).resolve())
    for name in _steps(output)[:-keep]:
        if name != best.rpartition("/")[2]:
            remove_folder(join(output, name), first=CONFIG_FILE)
