"""The official CLIP2Video state dict: a .pt file of plain tensors under the names of the official code.

The inverse of `trainer.model.weights.official`; `load_official` reads the file, and so does the official code
(CryhanFang/CLIP2Video), with the options that `official_options` names.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from schemas.errors import ConfigError
from trainer.export.towers import heads, openai_state, unlike_openai
from trainer.model.clip2video import CLIP2Video
from trainer.model.towers import text_tower, uses_quick_gelu
from trainer.model.weights.official import official_name

LOG = logging.getLogger(__name__)
OFFICIAL_WIDTH = 512  # written into the official code for its temporal modules
HEAD_WIDTH = 64  # channels of an attention head in CLIP's towers
OPTIONS = (
    "sim_type",
    "temporal_type",
    "temporal_proj",
    "center_type",
    "center_proj",
    "centerK",
    "center_weight",
    "max_frames",
    "max_words",
)


def official_state(model: CLIP2Video) -> dict[str, Tensor]:
    """Name -> float32 tensor (CPU) under official names.

    The interaction module has no name there and is left out. Raises ConfigError for towers that the official
    code would compute differently.
    """
    problems = unlike_openai(model.clip)
    if not uses_quick_gelu(model.clip):
        problems.append("the official code computes QuickGELU and these towers exact GELU")
    problems += [
        f"the official code gives the {name} tower {wanted} attention heads, these have {found}"
        for name, wanted, found in _heads(model)
        if wanted != found
    ]
    if problems:
        raise ConfigError(
            f"clip = {model.config.clip!r} cannot be exported to clip2video: {problems[0]}; export the "
            "towers to open_clip instead"
        )
    state = {f"clip.{name}": value.float() for name, value in openai_state(model).items()}
    for name, value in model.state_dict().items():
        new = official_name(name)
        if not name.startswith("clip.") and new is not None:
            state[new] = value.detach().cpu().float().contiguous()
    return state


def _heads(model: CLIP2Video) -> Iterator[tuple[str, int, int]]:
    """Name, heads in the official code (one per 64 channels), heads here, of both towers."""
    for name, tower in (("vision", model.clip.visual), ("text", text_tower(model.clip))):
        width = int(tower.transformer.width)
        yield name, max(1, width // HEAD_WIDTH), heads(tower.transformer)


def official_options(model: CLIP2Video) -> str:
    """The options of the official scripts, which are those of `zoetrope convert official`, for this model."""
    return " ".join(f"--{name} {shlex.quote(str(getattr(model.config, name)))}" for name in OPTIONS)


def write_clip2video(model: CLIP2Video, file: Path) -> str:
    """Write the state dict; returns the line that says how to read it. Raises ConfigError."""
    state = official_state(model)
    if model.interaction is not None:
        LOG.warning("left out the interaction module, which CLIP2Video does not have")
    if model.width != OFFICIAL_WIDTH:
        LOG.warning(
            f"the towers' D is {model.width}; the official code takes {OFFICIAL_WIDTH} alone, "
            "zoetrope convert takes both"
        )
    torch.save(state, file)
    return f"options: {official_options(model)}"
