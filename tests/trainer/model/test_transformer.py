"""The blocks against torch's own attention, and masks that stay with their sample."""

import pytest
import torch
from torch import nn

from trainer.model.transformer import Attention, Transformer

WIDTH, HEADS = 16, 4


def sample(samples=3, length=7):
    x = torch.randn(samples, length, WIDTH, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([length, 4, 1])[:samples]
    return x, (torch.arange(length) < lengths[:, None]).float()


@torch.no_grad()
def test_attention_equals_torchs_with_a_mask_a_sample():
    torch.manual_seed(1)
    theirs = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    nn.init.normal_(theirs.in_proj_bias)
    ours = Attention(WIDTH, HEADS)
    ours.load_state_dict(theirs.state_dict())  # the same names
    x, mask = sample()
    wanted, _ = theirs(x, x, x, key_padding_mask=mask == 0, need_weights=False)
    torch.testing.assert_close(ours(x, mask), wanted, atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_a_sample_does_not_depend_on_its_neighbours_nor_on_its_padding():
    torch.manual_seed(2)
    stack = Transformer(WIDTH, 3, HEADS)
    x, mask = sample()
    together = stack(x, mask)
    for i, length in enumerate((7, 4, 1)):
        alone = stack(x[i : i + 1], mask[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-5, rtol=0)
        short = stack(x[i : i + 1, :length], mask[i : i + 1, :length])
        torch.testing.assert_close(together[i : i + 1, :length], short, atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_fully_masked_row_attends_by_its_rounded_logits():
    torch.manual_seed(3)
    attention = Attention(WIDTH, HEADS)
    x, _ = sample(1)
    out = attention(x, torch.zeros(1, 7))
    assert torch.isfinite(out).all()
    torch.testing.assert_close(
        attention(x * 1e-3, torch.zeros(1, 7)), attention(x * 1e-3, torch.ones(1, 7)), atol=1e-3, rtol=0
    )


def test_under_bfloat16_autocast_masked_keys_still_weigh_nothing():
    torch.manual_seed(4)
    attention = Attention(WIDTH, HEADS)
    x, mask = sample()
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        together = attention(x, mask)
        short = attention(x[1:2, :4], mask[1:2, :4])
    torch.testing.assert_close(together[1:2, :4].float(), short.float(), atol=2e-2, rtol=0)


def test_an_empty_sequence_passes():
    assert Transformer(WIDTH, 1, HEADS)(torch.zeros(2, 0, WIDTH), torch.zeros(2, 0)).shape == (2, 0, WIDTH)


def test_heads_that_do_not_divide_are_an_error():
    with pytest.raises(ValueError, match="heads = 3 does not divide the width 16"):
        Attention(16, 3)
