"""The new modules' start."""

import pytest
import torch
from tiny_models import TINY_CLIP, tiny_inputs, tiny_model


def test_new_modules_start_from_clip():
    model = tiny_model(seed=3)
    clip = model.clip
    assert torch.equal(model.frame_positions.weight, clip.positional_embedding)
    assert torch.equal(model.tdb.types.weight, clip.positional_embedding[:2])
    first, second = clip.transformer.resblocks[0].state_dict(), clip.transformer.resblocks[1].state_dict()
    for block, source in (
        (model.sequence.resblocks[0], first),
        (model.sequence.resblocks[1], second),
        (model.tdb.attention.resblocks[0], first),
        (model.tab.actions.resblocks[0], first),
    ):
        for name, value in block.state_dict().items():
            assert torch.equal(value, source[name]), name
    projection = tiny_model(temporal_proj="sigmoid_mlp")
    assert torch.equal(projection.tdb.projection, projection.clip.visual.proj[:32])


def test_towers_of_other_widths_work_with_a_random_start():
    towers = {**TINY_CLIP, "embed_dim": 24, "text": {**TINY_CLIP["text"], "width": 48}}
    model = tiny_model(clip=towers, temporal_proj="sigmoid_mlp")
    assert model.similarity(*tiny_inputs()).shape == (3, 4)
    assert model.frame_positions.weight.shape == (16, 24)
    assert model.frame_positions.weight.std().item() == pytest.approx(0.01, rel=0.3)
