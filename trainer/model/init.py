"""How the new modules start: from CLIP's own weights where the shapes allow it, as in CLIP2Video, else as CLIP starts.

Copied are the text tower's positions (to frame positions; its first two rows to the types) and its first blocks (to the
temporal transformer, the difference attention and the half-rate transformer). That needs a text tower as wide as D, which
holds for OpenAI's ViTs and nearly all of open_clip's; for others the modules keep a random start with CLIP's deviations.
The difference MLP takes the first D rows of the visual projection where the vision tower is at least that wide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from trainer.model.towers import text_tower
from trainer.model.transformer import Transformer

if TYPE_CHECKING:
    from trainer.model.clip2video import CLIP2Video


@torch.no_grad()
def init_from_clip(model: CLIP2Video) -> None:
    """Start the temporal modules from the model's CLIP weights (see above). Centres and the interaction stay random."""
    tower = text_tower(model.clip)
    positions = tower.positional_embedding
    if positions.shape[1] == model.width:
        if model.frame_positions is not None:
            model.frame_positions.weight.copy_(positions)
        if model.tdb is not None:
            model.tdb.types.weight.copy_(positions[:2])
    attention = None if model.tdb is None else model.tdb.attention
    actions = None if model.tab is None else model.tab.actions
    for stack in (model.sequence, attention, actions):
        if stack is not None:
            _copy_blocks(stack, tower.transformer.resblocks)
    projection = getattr(model.clip.visual, "proj", None)
    if model.tdb is not None and model.tdb.projection is not None and isinstance(projection, torch.Tensor):
        rows = projection[: model.width]
        if rows.shape == model.tdb.projection.shape:
            model.tdb.projection.copy_(rows)


def _copy_blocks(stack: Transformer, blocks: Any) -> None:
    for ours, theirs in zip(stack.resblocks, blocks, strict=False):
        source, target = theirs.state_dict(), ours.state_dict()
        if all(key in source and source[key].shape == value.shape for key, value in target.items()):
            ours.load_state_dict({key: source[key] for key in target})
