"""open_clip's towers as we call them: tokens, embeddings per token, and names."""

import json
from pathlib import Path

import open_clip
import pytest
import torch
from tiny_models import tiny_config, tiny_inputs, tiny_model

from schemas.errors import ConfigError
from trainer.model.config import ModelConfig
from trainer.model.towers import (
    build_clip,
    encode_tokens,
    normalisation,
    tokenize,
    uses_quick_gelu,
)

CASES = json.loads(
    (Path(__file__).parents[2] / "data" / "clip2video" / "sampling_and_tokens.json").read_text()
)["text"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["caption"][:20])
def test_captions_become_the_official_tokens(case):
    ids, mask = tokenize([case["caption"]], 32)
    assert ids[0].tolist() == case["ids"]
    assert mask[0].tolist() == case["mask"]


def test_a_long_caption_keeps_its_end_and_an_exclamation_mark_is_no_padding():
    ids, mask = tokenize(["word " * 50, "!", "an <end_of_text> inside"], 12)
    assert ids[0, -1] == 49407
    assert mask[0].sum() == 12
    assert mask[1].tolist() == [1] * 3 + [0] * 9
    assert ids[1, 1] == 256 or ids[1, 1] == 0
    assert mask[2].sum() == (ids[2] != 0).sum()


@torch.no_grad()
def test_pooled_text_is_open_clips_and_hidden_tokens_do_not_see_the_future():
    model = tiny_model()
    ids, mask, _, _ = tiny_inputs()
    pooled, hidden = encode_tokens(model.clip, ids)
    full = torch.zeros(len(ids), 16, dtype=torch.long)
    full[:, : ids.shape[1]] = ids
    torch.testing.assert_close(pooled, model.clip.encode_text(full))
    torch.testing.assert_close(pooled, hidden[torch.arange(3), mask.sum(1) - 1])
    changed = ids.clone()
    changed[:, -1] = 5
    _, other = encode_tokens(model.clip, changed)
    torch.testing.assert_close(other[:, :-1], hidden[:, :-1])
    with pytest.raises(ValueError, match="17 tokens, but the text tower has 16"):
        encode_tokens(model.clip, torch.zeros(1, 17, dtype=torch.long))


@torch.no_grad()
def test_a_custom_text_tower_is_encoded_alike():
    shape = tiny_config().clip_shape
    clip = open_clip.CustomTextCLIP(32, shape.vision.to_dict(), shape.text.to_dict(), quick_gelu=True).eval()
    ids = tiny_inputs()[0]
    full = torch.zeros(len(ids), 16, dtype=torch.long)
    full[:, : ids.shape[1]] = ids
    torch.testing.assert_close(encode_tokens(clip, ids).pooled_ND, clip.encode_text(full))


def test_a_name_builds_open_clips_model():
    with torch.device("meta"):
        clip = build_clip(ModelConfig(clip="ViT-B-16-quickgelu"))
    assert clip.visual.conv1.weight.shape == (768, 3, 16, 16)
    assert uses_quick_gelu(clip)
    with torch.device("meta"):
        assert not uses_quick_gelu(build_clip(ModelConfig(clip="ViT-B-16")))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ViT-B-23", "nearest: .*ViT-B-32"),
        ("RN50", "has batch norm"),
        ("coca_ViT-B-32", "no CLIP text"),
        ("xlm-roberta-base-ViT-B-32", "no CLIP text"),
        (
            "ViT-B-16-SigLIP",
            "reads captions with the tokenizer timm/ViT-B-16-SigLIP, whose files open_clip does not",
        ),
    ],
)
def test_other_names_are_refused_with_the_fix(name, message):
    with pytest.raises(ConfigError, match=message):
        build_clip(ModelConfig(clip=name))


def test_normalisation_is_the_weights_own():
    assert normalisation(ModelConfig())[0] == pytest.approx((0.48145466, 0.4578275, 0.40821073))
    inception = ModelConfig(clip="ViT-L-14", pretrained="laion2b_s32b_b82k")
    assert normalisation(inception)[0] == (0.5, 0.5, 0.5)


def test_checkpointing_changes_no_gradient():
    gradients = []
    for checkpointing in (False, True):
        model = tiny_model(grad_checkpointing=checkpointing).train()
        model.similarity(*tiny_inputs()).sum().backward()
        gradients.append(model.clip.visual.conv1.weight.grad)
    torch.testing.assert_close(gradients[0], gradients[1])
