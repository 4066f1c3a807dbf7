"""Initial weights of the temporal modules: copied from CLIP where shapes allow, as in CLIP2Video.

The text tower's positions become the frame positions, their first two rows the type embeddings. Its first
blocks become the temporal transformer, the difference attention and the half-rate transformer. Both need a
text tower of width D, which OpenAI's ViTs and nearly all of open_clip's have. Other towers leave the modules
random, with CLIP's deviations. The difference MLP takes the first D rows of the visual projection if it has
that many.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trainer.model.temporal.tdb import TemporalDifference
from trainer.model.towers import text_tower
from trainer.model.transformer import Transformer


@torch.no_grad()
def init_from_clip(
    clip: nn.Module,
    *,
    width: int,
    frame_positions: nn.Embedding | None,
    tdb: TemporalDifference | None,
    transformers: tuple[Transformer | None, ...],
) -> None:
    """Overwrite the modules that exist with CLIP's weights. `width`: of the frame and text vectors, D."""
    tower = text_tower(clip)
    positions = tower.positional_embedding
    if positions.shape[1] == width:
        if frame_positions is not None:
            frame_positions.weight.copy_(positions)
        if tdb is not None:
            tdb.types.weight.copy_(positions[:2])
    for stack in transformers:
        if stack is not None:
            _copy_blocks(stack, tower.transformer.resblocks)
    projection = getattr(clip.visual, "proj", None)
    if tdb is not None and tdb.projection is not None and isinstance(projection, torch.Tensor):
        rows = projection[:width]
        if rows.shape == tdb.projection.shape:
            tdb.projection.copy_(rows)


def _copy_blocks(stack: Transformer, blocks: Any) -> None:
    for ours, theirs in zip(stack.resblocks, blocks, strict=False):
        source, target = theirs.state_dict(), ours.state_dict()
        if all(key in source and source[key].shape == value.shape for key, value in target.items()):
            ours.load_state_dict({key: source[key] for key in target})
