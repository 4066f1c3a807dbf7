"""Difference tokens: order, positions, types, masks, and each variant's formula."""

import pytest
import torch
import torch.nn.functional as F

from trainer.model.temporal.tdb import TemporalDifference

WIDTH, FRAMES = 16, 5


def make(proj, seed=0):
    torch.manual_seed(seed)
    block = TemporalDifference(WIDTH, 2, proj)
    if block.norm is not None:
        torch.nn.init.normal_(block.norm.weight)
    return (
        block,
        torch.randn(2, FRAMES, WIDTH),
        torch.tensor([[1.0] * 5, [1.0, 1, 1, 0, 0]]),
        torch.randn(FRAMES, WIDTH),
    )


@torch.no_grad()
@pytest.mark.parametrize("proj", ["", "sigmoid_mlp", "sigmoid_selfA"])
def test_frames_stand_at_even_places_unchanged_and_differences_between_them(proj):
    block, frames, mask, positions = make(proj)
    out = block(frames, mask, positions)
    assert out.tokens_NSD.shape == (2, 2 * FRAMES - 1, WIDTH)
    assert torch.equal(out.tokens_NSD[:, ::2], frames)
    assert torch.equal(out.positions_SD, positions[[0, 0, 1, 1, 2, 2, 3, 3, 4]])
    assert torch.equal(out.types_SD, block.types.weight[[1, 0] * 4 + [1]])
    assert out.mask_NS[1].tolist() == [1, 1, 1, 1, 1, 1, 0, 0, 0]  # the difference into the padding counts
    differences = out.tokens_NSD[:, 1::2]
    if proj:
        assert differences.abs().max() < 1
    torch.testing.assert_close(out.embedded_NSD, out.tokens_NSD + out.positions_SD + out.types_SD)


@torch.no_grad()
def test_known_values_of_subtraction_and_mlp():
    block, frames, mask, positions = make("")
    torch.testing.assert_close(
        block(frames, mask, positions).tokens_NSD[:, 1::2], frames[:, 1:] - frames[:, :-1]
    )
    block, frames, mask, positions = make("sigmoid_mlp")
    raw = (frames[:, 1:] - frames[:, :-1]) @ block.projection
    wanted = 2 * torch.sigmoid(F.layer_norm(raw, (WIDTH,), block.norm.weight, block.norm.bias, 1e-5)) - 1
    torch.testing.assert_close(block(frames, mask, positions).tokens_NSD[:, 1::2], wanted)


@torch.no_grad()
def test_attention_takes_the_later_frames_position_and_mask():
    block, frames, mask, positions = make("sigmoid_selfA")
    got = block(frames, mask, positions).tokens_NSD[:, 1::2]
    raw = block.attention(frames[:, 1:] - frames[:, :-1] + positions[1:], mask[:, 1:])
    torch.testing.assert_close(got, 2 * torch.sigmoid(block.norm(raw)) - 1)
    changed = frames.clone()
    changed[1, 4] += torch.randn(
        WIDTH
    )  # padding: seen by the last difference token alone, which the sequence masks
    moved = block(changed, mask, positions).tokens_NSD[1, 1::2] - got[1]
    assert moved[:2].abs().max() < 1e-6
    assert moved[3].abs().max() > 1e-3


@torch.no_grad()
def test_static_pictures_and_one_frame_give_finite_tokens():
    for proj in ("", "sigmoid_mlp", "sigmoid_selfA"):
        block, frames, mask, positions = make(proj)
        still = frames[:, :1].expand(-1, FRAMES, -1)
        assert torch.isfinite(block(still, mask, positions).tokens_NSD).all()
        one = block(frames[:, :1], mask[:, :1], positions[:1])
        assert torch.equal(one.tokens_NSD, frames[:, :1])
        assert one.mask_NS.shape == (2, 1)
