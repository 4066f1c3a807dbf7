"""AdamW in groups, the learning rate as a function of the step, and the clamp on the logit scale."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from trainer.fit.config import OptimConfig

GROUPS = ("clip", "clip_no_decay", "new", "new_no_decay")


def freeze(model: nn.Module, what: str) -> None:
    """``none``; ``clip``: the towers, but not the logit scale; ``dual``: all but the interaction module."""
    for name, parameter in model.named_parameters():
        frozen = {
            "none": False,
            "clip": name.startswith("clip.") and not name.endswith("logit_scale"),
            "dual": not name.startswith("interaction."),
        }[what]
        parameter.requires_grad_(not frozen)


def parameter_groups(model: nn.Module) -> dict[str, list[tuple[str, nn.Parameter]]]:
    """Trainable parameters with their names, by group. Norms, biases, scalars and embeddings are not decayed."""
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
    """AdamW over `parameter_groups`; every group carries its ``name`` and ``peak`` learning rate."""
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
    return torch.optim.AdamW(groups, lr=0.0, betas=(config.beta1, config.beta2), eps=config.eps)


def named_parameters(optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, nn.Parameter]]:
    """What the optimizer trains, by the model's names."""
    for group in optimizer.param_groups:
        yield from zip(group["param_names"], group["params"], strict=True)


def lr_share(step: int, total: int, config: OptimConfig) -> float:
    """Share of the peak learning rate at step 0 <= step < total: up linearly over the warm-up, down by half a cosine."""
    warmup = round(total * config.warmup)
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
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
