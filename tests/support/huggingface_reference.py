"""The forward pass of `transformers.CLIPModel` from the files of its layout, in plain torch.

Written from transformers' models/clip/modeling_clip.py, so that the layout is checked where transformers is
not installed. Independent of trainer/model.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

ACTIVATIONS = {"quick_gelu": lambda x: x * torch.sigmoid(1.702 * x), "gelu": F.gelu}


class ClipFolder:
    """A folder in Hugging Face's CLIP layout."""

    def __init__(self, folder: Path) -> None:
        self.config = json.loads((folder / "config.json").read_text())
        self.weights = load_file(folder / "model.safetensors")
        self.used: set[str] = set()

    def take(self, name: str) -> Tensor:
        self.used.add(name)
        return self.weights[name]

    def linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.take(f"{name}.weight"), self.take(f"{name}.bias"))

    def norm(self, x: Tensor, name: str, eps: float) -> Tensor:
        weight, bias = self.take(f"{name}.weight"), self.take(f"{name}.bias")
        return F.layer_norm(x, x.shape[-1:], weight, bias, eps)

    def encode(self, x: Tensor, tower: str, causal: bool) -> Tensor:
        about = self.config[f"{tower}_config"]
        assert about["intermediate_size"] == len(self.take(f"{tower}_model.encoder.layers.0.mlp.fc1.weight"))
        for number in range(about["num_hidden_layers"]):
            x = self.block(x, f"{tower}_model.encoder.layers.{number}", about, causal)
        return x

    def block(self, x: Tensor, layer: str, about: dict, causal: bool) -> Tensor:
        heads, eps = about["num_attention_heads"], about["layer_norm_eps"]
        inner = self.norm(x, f"{layer}.layer_norm1", eps)
        q, k, v = (
            self.linear(inner, f"{layer}.self_attn.{part}_proj").unflatten(-1, (heads, -1)).transpose(1, 2)
            for part in "qkv"
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(2)
        x = x + self.linear(mixed, f"{layer}.self_attn.out_proj")
        inner = self.norm(x, f"{layer}.layer_norm2", eps)
        hidden = ACTIVATIONS[about["hidden_act"]](self.linear(inner, f"{layer}.mlp.fc1"))
        return x + self.linear(hidden, f"{layer}.mlp.fc2")

    def text_features(self, ids_NL: Tensor) -> Tensor:
        about = self.config["text_config"]
        positions = self.take("text_model.embeddings.position_embedding.weight")
        assert len(positions) == about["max_position_embeddings"]
        x = self.take("text_model.embeddings.token_embedding.weight")[ids_NL] + positions[: ids_NL.shape[1]]
        x = self.encode(x, "text", causal=True)
        x = self.norm(x, "text_model.final_layer_norm", about["layer_norm_eps"])
        ends = (ids_NL == about["eos_token_id"]).int().argmax(-1)
        return F.linear(x[torch.arange(len(x)), ends], self.take("text_projection.weight"))

    def image_features(self, pictures_B3HW: Tensor) -> Tensor:
        about = self.config["vision_config"]
        assert pictures_B3HW.shape[2:] == (about["image_size"],) * 2
        patches = F.conv2d(
            pictures_B3HW,
            self.take("vision_model.embeddings.patch_embedding.weight"),
            stride=about["patch_size"],
        ).flatten(2)
        start = self.take("vision_model.embeddings.class_embedding").expand(len(patches), 1, -1)
        x = torch.cat((start, patches.transpose(1, 2)), dim=1)
        x = x + self.take("vision_model.embeddings.position_embedding.weight")
        x = self.norm(x, "vision_model.pre_layrnorm", about["layer_norm_eps"])
        x = self.encode(x, "vision", causal=False)[:, 0]
        x = self.norm(x, "vision_model.post_layernorm", about["layer_norm_eps"])
        return F.linear(x, self.take("visual_projection.weight"))
