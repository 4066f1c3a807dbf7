"""The whole model on small towers: masks a video, shapes of every variant, init, save and load."""

import pytest
import torch
from clip2video_reference import VARIANTS
from tiny_models import tiny_config, tiny_inputs, tiny_model

from schemas.errors import ConfigError
from trainer.model.clip2video import CLIP2Video, build_model

TINY_VARIANTS = {name: options for name, options in VARIANTS.items() if name != "centerw03"}


@pytest.mark.parametrize("variant", TINY_VARIANTS)
@torch.no_grad()
def test_a_video_alone_equals_the_same_in_a_batch_of_unequal_lengths(variant):
    model = tiny_model(**TINY_VARIANTS[variant])
    ids, mask, frames, frame_mask = tiny_inputs(videos=5)
    text, together = model.encode_text(ids, mask), model.encode_video(frames, frame_mask)
    for i in range(len(frames)):
        alone = model.encode_video(frames[i : i + 1], frame_mask[i : i + 1])
        torch.testing.assert_close(alone.global_[0], together.global_[i], atol=1e-5, rtol=0)
        if together.tab is not None:
            torch.testing.assert_close(alone.tab[0], together.tab[i], atol=1e-5, rtol=0)
        torch.testing.assert_close(
            model.logits(text, alone), model.logits(text, together[i : i + 1]), atol=1e-4, rtol=0
        )
    order = torch.tensor([3, 0, 4, 2, 1])
    torch.testing.assert_close(
        model.similarity(ids, mask, frames[order], frame_mask[order]),
        model.logits(text, together)[:, order],
        atol=1e-4,
        rtol=0,
    )


@torch.no_grad()
def test_features_have_the_stated_shapes_and_units():
    model = tiny_model()
    ids, mask, frames, frame_mask = tiny_inputs()
    text, video = model.encode_text(ids, mask), model.encode_video(frames, frame_mask)
    assert (text.global_.shape, text.tokens.shape, text.mask.shape) == ((3, 32), (3, 8, 32), (3, 8))
    assert (video.global_.shape, video.tokens.shape, video.mask.shape) == ((4, 32), (4, 6, 32), (4, 6))
    for vectors in (text.global_, text.tab, video.global_, video.tab):
        torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(len(vectors)))
    assert mask[:, 0].all()  # the caller's mask is left alone
    global_, tab = model.logit_parts(text, video)
    torch.testing.assert_close(model.logits(text, video), (global_ + tab) / 2)
    cosine = model.joint(text) @ model.joint(video).T
    torch.testing.assert_close(cosine * model.clip.logit_scale.exp(), model.logits(text, video))
    plain = tiny_model(center_type="")
    assert plain.encode_text(ids, mask).tab is None
    assert plain.joint(plain.encode_text(ids, mask)).shape == (3, 32)


@torch.no_grad()
def test_any_number_of_frames_up_to_the_positions():
    model = tiny_model()
    for frames in (1, 2, 3, 7, 16):
        ids, mask, pictures, frame_mask = tiny_inputs(frames=frames)
        assert torch.isfinite(model.similarity(ids, mask, pictures, frame_mask)).all()
    with pytest.raises(ValueError, match="17 frames, but the model has 16 positions"):
        model.encode_embeddings(torch.zeros(1, 17, 32), torch.ones(1, 17))


@torch.no_grad()
def test_a_video_without_frames_is_like_nothing_not_nan():
    model = tiny_model()
    ids, mask, frames, frame_mask = tiny_inputs()
    frame_mask[1] = 0
    logits = model.similarity(ids, mask, frames, frame_mask)
    assert torch.isfinite(logits).all()
    assert torch.equal(model.encode_video(frames, frame_mask).global_[1], torch.zeros(32))


def test_wrong_shapes_are_told():
    model = tiny_model()
    ids, mask, frames, frame_mask = tiny_inputs()
    with pytest.raises(ValueError, match=r"frame_mask has shape \[4, 5\]; it must have shape \[4, 6\]"):
        model.encode_video(frames, frame_mask[:, :5])
    with pytest.raises(ValueError, match=r"frames has shape .* must have 5 dimensions"):
        model.encode_video(frames[0], frame_mask)
    with pytest.raises(ValueError, match="token_mask"):
        model.encode_text(ids, mask[:1])
    with pytest.raises(ValueError, match=r"enabled=true"):
        model.match(None, None, None, None)


def test_every_parameter_of_the_paper_model_gets_a_gradient():
    model = tiny_model(interaction={"enabled": True, "depth": 1}).train()
    ids, mask, frames, frame_mask = tiny_inputs(texts=4)
    text, video = model.encode_text(ids, mask), model.encode_video(frames, frame_mask)
    score = model.match(text.tokens, text.mask, video.tokens, video.mask)
    (model.logits(text, video).diagonal().sum() + score.sum()).backward()
    silent = [
        name for name, p in model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()
    ]
    assert silent == []


def test_bfloat16_autocast_stays_close():
    model = tiny_model()
    given = tiny_inputs()
    with torch.no_grad():
        exact = model.similarity(*given)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = model.similarity(*given)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, atol=0.3, rtol=0)


def test_the_smaller_of_towers_and_config_is_checked():
    with pytest.raises(ConfigError, match=r"max_words = 20 must be at most 16"):
        CLIP2Video(tiny_config(max_words=20))
    with pytest.raises(ConfigError, match=r"max_frames = 20 must be at most 16"):
        CLIP2Video(tiny_config(max_frames=20))
    CLIP2Video(tiny_config(sim_type="meanP", max_frames=20))  # no positions there


def test_build_model_without_weights_is_the_seeds_model():
    torch.manual_seed(9)
    first = build_model(tiny_config()).state_dict()
    again = tiny_model(seed=9).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in first.items())
