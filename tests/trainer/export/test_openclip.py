"""Towers in open_clip's layout, loaded by open_clip itself."""

import open_clip
import pytest
import torch
from tiny_models import TINY_CLIP, rough_model, tiny_inputs

from trainer.export.openclip import model_settings, write_open_clip
from trainer.model.config import ModelConfig
from trainer.model.towers import encode_frames, encode_tokens


@pytest.mark.parametrize("quick_gelu", [True, False])
@torch.no_grad()
def test_open_clip_loads_the_folder_and_gives_the_same_features(tmp_path, quick_gelu):
    model = rough_model(clip={**TINY_CLIP, "quick_gelu": quick_gelu})
    write_open_clip(model, tmp_path)
    theirs, _, transform = open_clip.create_model_and_transforms(f"local-dir:{tmp_path}")
    theirs.eval()
    ids, _, frames, _ = tiny_inputs()
    whole = torch.zeros(len(ids), 16, dtype=torch.long)
    whole[:, : ids.shape[1]] = ids
    pictures = frames.flatten(0, 1)
    for got, wanted in (
        (theirs.encode_text(whole), encode_tokens(model.clip, ids).pooled_ND),
        (theirs.encode_image(pictures), encode_frames(model.clip, pictures)),
    ):
        torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)
    assert theirs.logit_scale == model.clip.logit_scale
    assert "0.4815" in repr(transform) or "0.48145466" in repr(transform)


def test_the_tokenizer_of_the_folder_is_clips(tmp_path):
    write_open_clip(rough_model(), tmp_path)
    tokenizer = open_clip.get_tokenizer(f"local-dir:{tmp_path}")
    assert tokenizer(["a dog"])[0].tolist() == [49406, 320, 1929, 49407, *[0] * 12]


def test_towers_by_name_keep_open_clips_own_settings():
    settings = model_settings(ModelConfig.make({"clip": "ViT-B-16-quickgelu"}))
    assert settings == open_clip.get_model_config("ViT-B-16-quickgelu")
