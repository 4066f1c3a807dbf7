"""Towers in Hugging Face's CLIP layout give the same features as in our model."""

import json

import pytest
import torch
from huggingface_reference import ClipFolder
from safetensors.torch import load_file
from tiny_models import TINY_CLIP, rough_model, tiny_inputs

from schemas.errors import ConfigError
from trainer.export.huggingface import huggingface_state, write_huggingface
from trainer.model.towers import encode_frames, encode_tokens

EXACT_GELU = {**TINY_CLIP, "quick_gelu": False}


def of_plain_torch(folder):
    read = ClipFolder(folder)
    return read.text_features, read.image_features


def of_transformers(folder):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    model = transformers.CLIPModel.from_pretrained(str(folder)).eval()
    return (
        lambda ids: model.get_text_features(input_ids=ids).pooler_output,
        lambda pictures: model.get_image_features(pixel_values=pictures).pooler_output,
    )


@pytest.mark.parametrize("readers", [of_plain_torch, of_transformers])
@pytest.mark.parametrize("clip", [TINY_CLIP, EXACT_GELU], ids=["quick_gelu", "gelu"])
@torch.no_grad()
def test_texts_and_pictures_have_the_same_features(tmp_path, readers, clip):
    model = rough_model(clip=clip)
    ids, _, frames, _ = tiny_inputs()
    write_huggingface(model, tmp_path)
    text_features, image_features = readers(tmp_path)
    pictures = frames.flatten(0, 1)
    for got, wanted in (
        (text_features(ids), encode_tokens(model.clip, ids).pooled_ND),
        (image_features(pictures), encode_frames(model.clip, pictures)),
    ):
        torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)


@torch.no_grad()
def test_every_weight_has_a_place_and_is_used(tmp_path):
    model = rough_model()
    ids, _, frames, _ = tiny_inputs()
    write_huggingface(model, tmp_path)
    read = ClipFolder(tmp_path)
    read.text_features(ids)
    read.image_features(frames.flatten(0, 1))
    assert read.weights.keys() == {*read.used, "logit_scale"}
    assert read.weights["logit_scale"] == model.clip.logit_scale
    assert sum(value.numel() for value in read.weights.values()) == sum(
        parameter.numel() for parameter in model.clip.parameters()
    )


def test_towers_that_the_layout_cannot_hold_are_refused_with_the_reason():
    model = rough_model()
    model.clip.visual.pool_type = "avg"
    with pytest.raises(
        ConfigError, match=r"Hugging Face's CLIP layout: the picture is not the class token's"
    ):
        huggingface_state(model)
    model = rough_model()
    model.clip.visual.register_parameter("gamma", torch.nn.Parameter(torch.zeros(1)))
    with pytest.raises(ConfigError, match=r"no place for visual\.gamma; export to open_clip instead"):
        huggingface_state(model)


@torch.no_grad()
def test_a_text_tower_in_a_module_of_its_own_gets_the_same_names():
    """open_clip's names such as ViT-B-32-quickgelu-custom-text keep it under ``text.``."""
    from open_clip.model import CustomTextCLIP

    model = rough_model()
    wanted = huggingface_state(model)
    shape = model.config.clip_shape
    custom = CustomTextCLIP(
        shape.embed_dim, shape.vision.to_dict(), shape.text.to_dict(), quick_gelu=shape.quick_gelu
    )
    state = {}
    for name, value in model.clip.state_dict().items():
        state[name if name.startswith(("visual.", "logit_scale")) else f"text.{name}"] = value
    custom.load_state_dict(state)
    model.clip = custom
    got = huggingface_state(model)
    assert got.keys() == wanted.keys()
    assert all(torch.equal(got[name], value) for name, value in wanted.items())


def test_the_folder_holds_the_picture_settings_and_clips_tokenizer(tmp_path):
    whole = {**TINY_CLIP, "text": {**TINY_CLIP["text"], "vocab_size": 49408}}
    write_huggingface(rough_model(clip=whole), tmp_path)
    about = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert about["crop_size"] == {"height": 32, "width": 32}
    assert about["image_mean"] == [0.48145466, 0.4578275, 0.40821073]
    vocabulary = json.loads((tmp_path / "vocab.json").read_text())
    assert vocabulary["<|startoftext|>"] == 49406
    assert vocabulary["<|endoftext|>"] == 49407
    assert vocabulary["dog</w>"] == 1929
    assert len(vocabulary) == 49408
    assert len((tmp_path / "merges.txt").read_text().splitlines()) == 49408 - 512 - 2 + 1
    assert load_file(tmp_path / "model.safetensors")


def test_their_tokenizer_gives_our_tokens(tmp_path):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    from trainer.export.vocabulary import write_tokenizer
    from trainer.model.towers import tokenize

    write_tokenizer(tmp_path, 77)
    tokenizer = transformers.CLIPTokenizer.from_pretrained(str(tmp_path))
    captions = ["A dog's life, 24/7!", "zwei H\u00e4user \u2014 caf\u00e9"]
    for caption in captions:
        ids, mask = tokenize([caption], 32)
        assert tokenizer(caption)["input_ids"] == ids[0, : mask.sum()].tolist()
