"""AdamW in groups, the schedule of the learning rate, freezing, and the clamp on the logit scale."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from trainer.fit.config import OptimConfig

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


def parameter_groups(model: nn.Module) -> dict[str, list[tuple[str, nn.Parameter]]]:
    """Trainable parameters with their names, by group.

    Norms, biases, scalars and embeddings are not decayed.
    """
    undecayed = {
        f"{prefix}.{name}" if prefix else name
        for prefix, module in model.named_modules()
        if isinstance(module, nn.LayerNorm | nn.Embedding)
        for name, _ in module.named_parameters(recurse=False)
    }
    groups: dict[str, list[tuple[str, nn.Parameter]]] = {name: [] for name in GROUPS}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        plain = parameter.ndim < 2 or name in undecayed or name.endswith("positional_embedding")
        side = "clip" if name.startswith("clip.") else "new"
        groups[f"{side}_no_decay" if plain else side].append((name, parameter))
    return groups


def make_optimizer(model: nn.Module, config: OptimConfig) -> torch.optim.AdamW:
    """Fused AdamW over `parameter_groups`; every group carries its ``name`` and ``peak`` learning rate."""
    groups: list[dict[str, Any]] = [
        {
            "params": [parameter for _, parameter in members],
            "param_names": [name for name, _ in members],
            "name": group,
            "peak": config.lr_clip if group.startswith("clip") else config.lr_new,
            "weight_decay": 0.0 if group.endswith("no_decay") else config.weight_decay,
        }
        for group, members in parameter_groups(model).items()
        if members
    ]
    if not groups:
        raise ValueError("no parameter is left to train; set freeze=none")
    return torch.optim.AdamW(groups, lr=0.0, betas=(config.beta1, config.beta2), eps=config.eps, fused=True)


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

    It rises linearly over the warm-up and falls along half a cosine. The cosine begins after the warm-up, or
    with `cosine=whole_run` at step 0, so that the rate jumps to a little below its peak when the warm-up
    ends.
    """
    warmup = round(total * config.warmup)
    if step < warmup:
        return (step + 1) / warmup
    begin = warmup if config.cosine == "after_warmup" else 0
    progress = (step - begin) / max(1, total - begin)
    return config.end_lr + (1 - config.end_lr) * 0.5 * (1 + math.cos(math.pi * progress))


def set_lr(optimizer: torch.optim.Optimizer, share: float) -> dict[str, float]:
    """Give every group its learning rate; returns them by group."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share
    return {group["name"]: group["lr"] for group in optimizer.param_groups}


@torch.no_grad()
def clamp_logit_scale(model: nn.Module, largest: float) -> None:
    """Keep exp(logit_scale) in [1, largest], as CLIP does."""
    for name, parameter in model.named_parameters():
        if name.endswith("logit_scale") and parameter.requires_grad:
            parameter.clamp_(0.0, math.log(largest))
