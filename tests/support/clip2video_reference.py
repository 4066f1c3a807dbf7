"""Seeded weights and inputs for which tests/data/clip2video/seed1.npz holds what the official CLIP2Video code
computes.

A small CLIP (vision width 128, 2 layers, patch 32; text width 512, 4 layers, vocabulary 512) under
CLIP2Video's own heads. Weights and inputs are not stored: they come from numpy's legacy RandomState (a frozen
stream), rounded to an int8 lattice so that they are exact in float16 and float32. Videos have 12, 9, 5 and 1
valid frames. Outputs are those of each video on its own (what masking means to say);
`logits_all_frames_valid` and the two losses are one batch with every frame taken as valid. Agreement expected
in float32: 1e-4 in logits, 1e-5 in unit vectors.
"""

import json
import math
from functools import cache
from pathlib import Path

import numpy as np

HERE = Path(__file__).parents[1] / "data" / "clip2video"
PATCH, GRID, BATCH, FRAMES, WORDS, VOCAB = 32, 7, 4, 12, 32, 512
VALID_FRAMES = (12, 9, 5, 1)
TEXT_LENGTHS = {1: (32, 3, 11, 18), 2: (7, 25, 32, 4)}  # tokens, start and end of text included
LOGIT_SCALE = {1: 2.75, 2: 3.25}


def _mean_std(key, shape):
    leaf = key.split(".")[-1]
    if "ln_" in key or "trans_layernorm" in key:
        return (1.0, 0.2) if leaf == "weight" else (0.0, 0.2)
    if key.endswith("in_proj_weight"):
        return 0.0, 1.4 * shape[1] ** -0.5
    if leaf in ("in_proj_bias", "bias"):
        return 0.0, 0.1
    if key.endswith(("out_proj.weight", "c_proj.weight")):
        return 0.0, 0.8 * shape[1] ** -0.5
    if key.endswith("c_fc.weight"):
        return 0.0, shape[1] ** -0.5
    if key.endswith("conv1.weight"):
        return 0.0, (3 * PATCH * PATCH) ** -0.5
    if key.endswith("class_embedding"):
        return 0.0, 0.5
    if key.endswith(("frame_position_embeddings.weight", "type_position_embeddings.weight")):
        return 0.0, 0.4
    if key.endswith("positional_embedding"):
        return 0.0, 0.3
    if key.endswith("token_embedding.weight"):
        return 0.0, 0.7
    if key.endswith(("proj", "projection")):
        return 0.0, shape[0] ** -0.5
    return {"weight_center": (0.0, 0.08), "emb_center": (0.0, 0.4)}[key]


@cache
def weights(seed):
    shapes, out = json.loads((HERE / "shapes.json").read_text()), {}
    for i, key in enumerate(sorted(shapes)):
        shape = tuple(shapes[key])
        if key.endswith("logit_scale"):
            out[key] = np.float32(int(LOGIT_SCALE[seed] * 32) / 32)
            continue
        mean, std = _mean_std(key, shape)
        exponent = math.floor(math.log2(127.0 / (abs(mean) + 2.8 * std)))
        draw = np.random.RandomState(seed * 100003 + i).standard_normal(shape)
        lattice = np.clip(np.rint((mean + std * draw) * 2.0**exponent), -127, 127)
        out[key] = (lattice * 2.0**-exponent).astype(np.float32)
    return out


@cache
def inputs(seed):
    rng = np.random.RandomState(7000 + seed)

    def coarse(*lead):
        blocks = rng.standard_normal((*lead, GRID, GRID))
        return np.repeat(np.repeat(blocks, PATCH, -2), PATCH, -1)

    video = 0.6 * coarse(BATCH, 1, 3) + 0.6 * coarse(BATCH, FRAMES, 3)
    video = video + 0.3 * rng.standard_normal((BATCH, FRAMES, 3, GRID * PATCH, GRID * PATCH))
    frames = np.clip(np.rint(video * 64), -127, 127)
    frame_mask = np.zeros((BATCH, FRAMES), np.int64)
    for i, n in enumerate(VALID_FRAMES):
        frame_mask[i, :n] = 1
        frames[i, n:] = 0
    token_ids = np.zeros((BATCH, WORDS), np.int64)
    token_mask = np.zeros((BATCH, WORDS), np.int64)
    for i, n in enumerate(TEXT_LENGTHS[seed]):
        token_ids[i, 0] = VOCAB - 2
        token_ids[i, 1 : n - 1] = rng.randint(1, VOCAB - 2, n - 2)
        token_ids[i, n - 1] = VOCAB - 1
        token_mask[i, :n] = 1
    pictures = (frames / 64).astype(np.float32)
    return {"token_ids": token_ids, "token_mask": token_mask, "frames": pictures, "frame_mask": frame_mask}


@cache
def outputs(path=HERE / "seed1.npz"):
    return dict(np.load(path))


VARIANTS = {  # changes to the paper's model, upstream's option names
    "main": {},
    "centerw03": {"center_weight": 0.3},
    "tab_noTDB": {"center_proj": "TAB"},
    "tab_plain12": {"center_proj": ""},
    "mlp_TAB_TDB": {"temporal_proj": "sigmoid_mlp"},
    "mlp_noTAB": {"temporal_proj": "sigmoid_mlp", "center_type": "", "center_proj": ""},
    "selfA_noTAB": {"center_type": "", "center_proj": ""},
    "subtract_TAB_TDB": {"temporal_proj": ""},
    "subtract_noTAB": {"temporal_proj": "", "center_type": "", "center_proj": ""},
    "seqTransf_noTDB_noTAB": {"temporal_type": "", "temporal_proj": "", "center_type": "", "center_proj": ""},
    "seqTransf_noTDB_TAB": {"temporal_type": "", "temporal_proj": "", "center_proj": "TAB"},
    "meanP_noTAB": {
        "sim_type": "meanP",
        "temporal_type": "",
        "temporal_proj": "",
        "center_type": "",
        "center_proj": "",
    },
    "meanP_TABplain12": {"sim_type": "meanP", "temporal_type": "", "temporal_proj": "", "center_proj": ""},
}


def state_dict():
    """`weights(1)` as tensors."""
    import torch

    return {key: torch.from_numpy(np.asarray(value)) for key, value in weights(1).items()}


def tensors():
    """`inputs(1)` as tensors."""
    import torch

    return {key: torch.from_numpy(value) for key, value in inputs(1).items()}
