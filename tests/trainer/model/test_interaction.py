"""The cross-modal transformer: pairs, masks, shapes, and what it can tell apart that pooled vectors cannot."""

import pytest
import torch
import torch.nn.functional as F
from tiny_models import tiny_inputs, tiny_model

from schemas.errors import ConfigError
from trainer.model.interaction import Interaction


def make(width=16, token_width=24, **changes):
    torch.manual_seed(0)
    settings = {"width": width, "depth": 2, "heads": 2, "positions": 12} | changes
    return Interaction(token_width, **settings)


@torch.no_grad()
def test_a_pairs_score_depends_on_that_pair_and_its_real_tokens_alone():
    module = make()
    text, video = torch.randn(5, 7, 24), torch.randn(5, 6, 24)
    text_mask = (torch.arange(7) < torch.tensor([[7], [3], [5], [2], [1]])).long()
    video_mask = (torch.arange(6) < torch.tensor([[6], [1], [4], [2], [5]])).long()
    scores = module(text, text_mask, video, video_mask)
    assert scores.shape == (5,)
    for i in range(5):
        words, frames = int(text_mask[i].sum()), int(video_mask[i].sum())
        alone = module(
            text[i : i + 1, :words],
            text_mask[i : i + 1, :words],
            video[i : i + 1, :frames],
            video_mask[i : i + 1, :frames],
        )
        torch.testing.assert_close(alone[0], scores[i], atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_order_of_frames_and_which_side_a_token_is_on_matter():
    module = make()
    text, video = torch.randn(1, 3, 24), torch.randn(1, 4, 24)
    ones = torch.ones(1, 3), torch.ones(1, 4)
    score = module(text, ones[0], video, ones[1])
    assert (module(text, ones[0], video.flip(1), ones[1]) - score).abs() > 1e-5
    assert (module(video[:, :3], ones[0], torch.cat((text, video[:, 3:]), 1), ones[1]) - score).abs() > 1e-5


def test_more_frames_than_positions_is_an_error():
    with pytest.raises(ValueError, match="13 frames, but the interaction module has 12 positions"):
        make()(torch.zeros(1, 2, 24), torch.ones(1, 2), torch.zeros(1, 13, 24), torch.ones(1, 13))


def test_it_is_part_of_the_model_by_config_with_its_width_and_heads():
    model = tiny_model(interaction={"enabled": True, "depth": 3, "width": 48, "heads": 4})
    assert len(model.interaction.transformer.resblocks) == 3
    assert model.interaction.transformer.resblocks[0].attn.heads == 4
    ids, mask, frames, frame_mask = tiny_inputs(texts=4)
    text, video = model.encode_text(ids, mask), model.encode_video(frames, frame_mask)
    match = model.match(text.tokens, text.mask, video.tokens, video.mask)
    assert match.shape == (4,)
    torch.testing.assert_close(model.rerank_score(torch.ones(4), match), 0.5 + 0.5 * match)
    assert tiny_model().interaction is None


def test_it_learns_a_match_that_lies_in_one_token():
    """Pooled, the wanted frame drowns in noise; attention finds it."""
    rng = torch.Generator().manual_seed(2)
    module = make(width=32, token_width=16, depth=1)
    optimizer = torch.optim.Adam(module.parameters(), lr=2e-3)
    objects = F.normalize(torch.randn(6, 16, generator=rng), dim=-1) * 3

    def draw(n=128):
        asked, match = torch.randint(0, 6, (n,), generator=rng), torch.randint(0, 2, (n,), generator=rng)
        shown = torch.where(match == 1, asked, (asked + torch.randint(1, 6, (n,), generator=rng)) % 6)
        video = torch.randn(n, 5, 16, generator=rng)
        video[torch.arange(n), torch.randint(0, 5, (n,), generator=rng)] = objects[shown]
        return objects[asked][:, None], torch.ones(n, 1), video, torch.ones(n, 5), match.float()

    for _ in range(250):
        *pair, match = draw()
        loss = F.binary_cross_entropy_with_logits(module(*pair), match)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    *pair, match = draw(500)
    with torch.no_grad():
        right = ((module(*pair) > 0) == (match == 1)).float().mean()
    assert right > 0.85


def test_heads_that_do_not_divide_the_width_are_an_error_of_the_config() -> None:
    with pytest.raises(ConfigError, match=r"interaction.heads = 3 does not divide the width 32"):
        tiny_model(interaction={"enabled": True, "heads": 3})
