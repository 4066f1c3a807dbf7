"""Checkpoints: a folder a step, written whole or not at all; nothing in them is code, and none is run by loading.

OUTPUT/step_00001000/
  model.safetensors config.json     the model (see trainer.model.io); config.json also holds the run's config under "train"
  metrics.json versions.json        what was measured last, and what it ran on
  state/run.json                    step, loader state of every rank, best so far: to go on from
  state/tensors.safetensors         optimizer moments by parameter name, random state of every rank
OUTPUT/last, OUTPUT/best            links to the newest and the best of them
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from schemas.config import ConfigError
from trainer.config import TrainConfig
from trainer.model.clip2video import CLIP2Video
from trainer.model.io import WEIGHTS_FILE, save_model
from trainer.optim import named_parameters

STEP = re.compile(r"step_(\d{8})")
LAST, BEST = "last", "best"
MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Best:
    """The best evaluation so far."""

    step: int
    value: float


@dataclass(frozen=True)
class RankState:
    """What one rank needs to go on: its loader's state (JSON values) and torch's random state."""

    loader: dict[str, Any]
    random: dict[str, Tensor]  # device type -> uint8


@dataclass(frozen=True)
class RunState:
    """Where a run stands after `step` steps."""

    step: int
    ranks: Sequence[RankState]
    best: Best | None


def save_checkpoint(
    config: TrainConfig,
    model: CLIP2Video,
    optimizer: torch.optim.Optimizer,
    state: RunState,
    metrics: Mapping[str, float | None],
) -> Path:
    """Write one checkpoint, make it `last` (and `best`, if it is), and delete those that need not be kept."""
    from safetensors.torch import save_file

    output = Path(config.output)
    final = output / f"step_{state.step:08d}"
    partial = output / f".{final.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "state").mkdir(parents=True)
    save_model(model, partial, extra={"train": config.to_dict(), "step": state.step})
    _write_json(partial / "metrics.json", {"step": state.step, **metrics})
    _write_json(partial / "versions.json", versions())
    save_file({**_optimizer_tensors(optimizer), **_random_tensors(state.ranks)}, partial / "state" / "tensors.safetensors")
    best = asdict(state.best) if state.best else None
    run = {"step": state.step, "best": best, "loaders": [rank.loader for rank in state.ranks]}
    _write_json(partial / "state" / "run.json", run)
    for file in sorted(partial.rglob("*")):
        _flush(file)
    if final.exists():  # of an earlier attempt at this very step
        shutil.rmtree(final)
    os.replace(partial, final)
    _flush(output)
    _point(output / LAST, final.name)
    if state.best is not None and state.best.step == state.step:
        _point(output / BEST, final.name)
    _prune(output, config.keep)
    return final


def find_last(output: str) -> Path | None:
    """The newest checkpoint of a run, or None."""
    steps = sorted(path for path in Path(output).glob("step_*") if STEP.fullmatch(path.name))
    return steps[-1] if steps else None


def load_state(checkpoint: Path, model: CLIP2Video, optimizer: torch.optim.Optimizer) -> RunState:
    """Put weights and optimizer back and return the rest. Raises ConfigError naming what does not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(checkpoint / WEIGHTS_FILE)
        tensors = load_file(checkpoint / "state" / "tensors.safetensors")
        run = json.loads((checkpoint / "state" / "run.json").read_text())
        model.load_state_dict(weights)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ConfigError(f"resume: {checkpoint} cannot be used: {' '.join(str(error).split())[:400]}") from None
    _restore_optimizer(optimizer, tensors, checkpoint)
    ranks = [
        RankState(loader, {name: tensors[f"random.{rank}.{name}"] for name in _random_names(tensors, rank)})
        for rank, loader in enumerate(run["loaders"])
    ]
    return RunState(run["step"], ranks, Best(**run["best"]) if run["best"] else None)


def saved_config(checkpoint: Path) -> dict[str, Any]:
    """The TrainConfig values that a checkpoint was made with."""
    try:
        values: dict[str, Any] = json.loads((checkpoint / "config.json").read_text())["train"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"resume: {checkpoint}/config.json cannot be read: {error}") from None
    return values


def random_state(device: torch.device) -> dict[str, Tensor]:
    """torch's random state of this process, to be put back by `set_random_state`."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(state: Mapping[str, Tensor], device: torch.device) -> None:
    """See `random_state`."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def versions() -> dict[str, str]:
    """Of everything that numbers could depend on."""
    from importlib.metadata import version

    names = ("zoetrope", "torch", "open_clip_torch", "kornia", "numpy", "opencv-python-headless", "simplejpeg", "av")
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in names:
        found[name] = version(name)
    if torch.cuda.is_available():
        found["gpu"], found["cuda"] = torch.cuda.get_device_name(), str(torch.version.cuda)
    return found


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Moments and step counts by parameter name; parameters that never had a gradient have none."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in named_parameters(optimizer):
        state = optimizer.state.get(parameter, {})
        for key in (*MOMENTS, "step"):
            if key in state:
                tensors[f"optimizer.{key}.{name}"] = torch.as_tensor(state[key]).detach().cpu().contiguous()
    return tensors


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], checkpoint: Path) -> None:
    for name, parameter in named_parameters(optimizer):
        found = {key: tensors.get(f"optimizer.{key}.{name}") for key in (*MOMENTS, "step")}
        if all(value is None for value in found.values()):
            continue
        if any(value is None for value in found.values()) or any(
            found[key].shape != parameter.shape  # type: ignore[union-attr]
            for key in MOMENTS
        ):
            raise ConfigError(f"resume: {checkpoint}: the optimizer state of {name} is missing or of another shape")
        optimizer.state[parameter] = {
            key: value.clone() if key == "step" else value.to(parameter.device, copy=True)
            for key, value in found.items()
            if value is not None
        }


def _random_tensors(ranks: Sequence[RankState]) -> dict[str, Tensor]:
    return {f"random.{rank}.{name}": t for rank, state in enumerate(ranks) for name, t in state.random.items()}


def _random_names(tensors: Mapping[str, Tensor], rank: int) -> list[str]:
    prefix = f"random.{rank}."
    return [name.removeprefix(prefix) for name in tensors if name.startswith(prefix)]


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")


def _flush(path: Path) -> None:
    """Onto the disk, so that a checkpoint that is there after a power cut is whole."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _point(link: Path, target: str) -> None:
    partial = link.with_name(f".{link.name}.partial")
    partial.unlink(missing_ok=True)
    partial.symlink_to(target)
    os.replace(partial, link)


def _prune(output: Path, keep: int) -> None:
    best = os.readlink(output / BEST) if (output / BEST).is_symlink() else None
    steps = sorted(path for path in output.glob("step_*") if STEP.fullmatch(path.name))
    for path in steps[:-keep]:
        if path.name != best:
            gone = path.with_name(f".{path.name}.partial")
            os.replace(path, gone)  # never half deleted under its name
            shutil.rmtree(gone)
