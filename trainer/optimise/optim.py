"""AdamW in groups, the schedule of the learning rate, freezing, and the clamp on the logit scale."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainer.fit.config import OptimConfig

Named = tuple[str, nn.Parameter]
BLOCK = re.compile(r"\.resblocks\.(\d+)\.")
VISION = "clip.visual."
GROUPS = ("clip", "clip_no_decay", "new", "new_no_decay")


# The towers' input layers, which CLIP4Clip does not train: patches, tokens, class, positions, and the norm
# after them.
EMBEDDINGS = (
    "clip.token_embedding.weight",
    "clip.positional_embedding",
    "clip.text.token_embedding.weight",
    "clip.text.positional_embedding",
    "clip.visual.conv1.weight",
    "clip.visual.class_embedding",
    "clip.visual.positional_embedding",
    "clip.visual.ln_pre.weight",
    "clip.visual.ln_pre.bias",
)


def freeze(model: nn.Module, what: str) -> None:
    """Set which parameters are trained; `what` is a value of `TrainConfig.freeze`."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not _is_frozen(name, what))


def _is_frozen(name: str, what: str) -> bool:
    if what == "embeddings":
        return name in EMBEDDINGS
    if what == "clip":
        return name.startswith("clip.") and not name.endswith("logit_scale")
    if what == "dual":
        return not name.startswith("interaction.")
    return False


def parameter_groups(model: nn.Module) -> dict[str, list[Named]]:
    """Trainable parameters with their names, by group.

    Norms, biases, scalars and embeddings are not decayed.
    """
    undecayed = {
        f"{prefix}.{name}".removeprefix(".")
        for prefix, module in model.named_modules()
        if isinstance(module, nn.LayerNorm | nn.Embedding)
        for name, _ in module.named_parameters(recurse=False)
    }
    groups: dict[str, list[Named]] = {name: [] for name in GROUPS}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        plain = parameter.ndim < 2 or name in undecayed or name.endswith("positional_embedding")
        group = "new"
        if name.startswith("clip."):
            group = "clip"
        if plain:
            group += "_no_decay"
        groups[group].append((name, parameter))
    return groups


def make_optimizer(model: nn.Module, config: OptimConfig) -> torch.optim.AdamW:
    """Fused AdamW over `parameter_groups`; every group carries its ``name`` and ``peak`` learning rate."""
    if config.layer_decay < 1:
        depth_of = depths([name for name, _ in model.named_parameters()])
    else:
        depth_of = {}
    rates = {"clip": config.lr_clip, "new": config.lr_new}
    groups: list[dict[str, Any]] = [
        {
            "params": [parameter for _, parameter in members],
            "param_names": [name for name, _ in members],
            "name": group,
            "depth": depth,
            "peak": rates[group.partition("_")[0]] * config.layer_decay**depth,
            "weight_decay": 0.0 if group.endswith("no_decay") else config.weight_decay,
        }
        for group, all_members in parameter_groups(model).items()
        for depth, members in _by_depth(all_members, depth_of).items()
    ]
    if not groups:
        raise ValueError("no parameter is left to train; set freeze=none")
    # Fused, because `step_unless` needs it: the other kernels take no `found_inf`.
    return torch.optim.AdamW(groups, lr=0.0, betas=(config.beta1, config.beta2), eps=config.eps, fused=True)


def depths(names: Collection[str]) -> dict[str, int]:
    """Return the number of layers between each of a model's parameters and the top of its tower.

    0: final norms, projections, the logit scale, and everything outside the towers. 1: the last block, and so
    on. The input layers are one below the first block.
    """
    towers = [name for name in names if name.startswith("clip.")]
    blocks = {name: int(found[1]) for name in towers if (found := BLOCK.search(name))}
    layers: dict[bool, int] = {}
    for name, block in blocks.items():
        vision = name.startswith(VISION)
        layers[vision] = max(layers.get(vision, 0), block + 1)
    depth = {name: layers[name.startswith(VISION)] - block for name, block in blocks.items()}
    inputs = {name: layers.get(name.startswith(VISION), 0) + 1 for name in names if name in EMBEDDINGS}
    return {name: depth.get(name, inputs.get(name, 0)) for name in names}


def _by_depth(members: list[Named], depth_of: Mapping[str, int]) -> dict[int, list[Named]]:
    found: dict[int, list[Named]] = {}
    for name, parameter in members:
        found.setdefault(depth_of.get(name, 0), []).append((name, parameter))
    return found


def step_unless(broken: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """Update the weights unless `broken` (0-d float32, of the weights' device) is 1.

    The fused kernel reads it on the device, where torch's gradient scaler puts what it found, so the host
    does not wait. Moments and step counts stay as well.
    """
    scaled: Any = optimizer
    scaled.found_inf = broken
    optimizer.step()


def named_parameters(optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, nn.Parameter]]:
    """The parameters that the optimizer trains, with their names in the model."""
    for group in optimizer.param_groups:
        yield from zip(group["param_names"], group["params"], strict=True)


def lr_share(step: int, total: int, config: OptimConfig) -> float:
    """Return the share of the peak learning rate at step 0 <= step < total.

    It rises linearly over the warm-up and falls along half a cosine. The cosine begins after the warm-up.
    With `cosine=whole_run` it begins at step 0, so the rate jumps to a little below its peak when the warm-up
    ends.
    """
    warmup = round(total * config.warmup)
    if step < warmup:
        return (step + 1) / warmup
    begin = warmup if config.cosine == "after_warmup" else 0
    progress = (step - begin) / max(1, total - begin)
    return config.end_lr + (1 - config.end_lr) * 0.5 * (1 + math.cos(math.pi * progress))


def set_lr(optimizer: torch.optim.Optimizer, share: float) -> dict[str, float]:
    """Give every group its learning rate; returns them by group, of its topmost layer."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share
    lowest_first = sorted(optimizer.param_groups, key=lambda group: -group["depth"])
    return {group["name"]: group["lr"] for group in lowest_first}


@torch.no_grad()
def clamp_logit_scale(model: nn.Module, largest: float) -> None:
    """Keep exp(logit_scale) in [1, largest], as CLIP does."""
    for name, parameter in model.named_parameters():
        if name.endswith("logit_scale") and parameter.requires_grad:
            parameter.clamp_(0.0, math.log(largest))
