"""open_clip's towers as we call them: tokens, per-token embeddings, names, and weights by file."""

import json
from pathlib import Path

import open_clip
import pytest
import torch
from tiny_models import TINY_CLIP, tiny_config, tiny_inputs, tiny_model

from schemas.errors import ConfigError
from trainer.model.config import ModelConfig
from trainer.model.towers import (
    build_clip,
    encode_tokens,
    load_pretrained,
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


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_pretrained_weights_come_from_a_file(tmp_path, suffix):
    source = tiny_model(seed=7).clip.state_dict()
    file = tmp_path / f"weights.{suffix}"
    if suffix == "pt":
        torch.save({"epoch": 3, "state_dict": {f"module.{k}": v.half() for k, v in source.items()}}, file)
    else:
        from safetensors.torch import save_file

        save_file(source, file)
    config = tiny_config(pretrained=str(file))
    clip = build_clip(config)
    load_pretrained(clip, config)
    assert clip.logit_scale.dtype == torch.float32
    torch.testing.assert_close(clip.visual.conv1.weight, source["visual.conv1.weight"], atol=1e-4, rtol=1e-3)


def test_weights_of_another_image_size_resize_the_grid_and_of_another_width_are_refused(tmp_path):
    torch.save(tiny_model().clip.state_dict(), tmp_path / "small.pt")
    larger = {**TINY_CLIP, "vision": {**TINY_CLIP["vision"], "image_size": 64}}
    config = tiny_config(clip=larger, pretrained=str(tmp_path / "small.pt"))
    clip = build_clip(config)
    load_pretrained(clip, config)
    assert len(clip.visual.positional_embedding) == 17
    wider = {**TINY_CLIP, "text": {**TINY_CLIP["text"], "width": 64}}
    config = tiny_config(clip=wider, pretrained=str(tmp_path / "small.pt"))
    with pytest.raises(ConfigError, match=r"does not fit the towers.*width"):
        load_pretrained(build_clip(config), config)


def test_the_wrong_gelu_is_an_error():
    config = ModelConfig(clip="ViT-B-32", pretrained="openai")
    from unittest.mock import patch

    state = {"input_resolution": torch.tensor(224)}
    with (
        patch("trainer.model.towers.read_state_dict", return_value=state),
        patch("open_clip.pretrained.download_pretrained", return_value="x.pt"),
        torch.device("meta"),
        pytest.raises(ConfigError, match="use the name with -quickgelu"),
    ):
        load_pretrained(build_clip(config), config)


def test_an_unknown_tag_names_the_known_ones():
    config = ModelConfig(clip="ViT-B-32", pretrained="laion_2b")
    with (
        torch.device("meta"),
        pytest.raises(ConfigError, match=r"neither a file nor a tag.*laion2b_s34b_b79k"),
    ):
        load_pretrained(build_clip(config), config)


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


def test_weights_that_cannot_be_had_are_one_line():
    from unittest.mock import patch

    with (
        patch("open_clip.pretrained.download_pretrained", side_effect=OSError("no route\nto host")),
        pytest.raises(
            ConfigError,
            match=r"openai cannot be downloaded \(no route to host\); fetch the file.*model.pretrained",
        ),
    ):
        load_pretrained(build_clip(tiny_config()), ModelConfig(clip="ViT-B-32", pretrained="openai"))
    with pytest.raises(ConfigError, match="towers given by size have no tags; give a file"):
        load_pretrained(build_clip(tiny_config()), tiny_config(pretrained="openai"))
