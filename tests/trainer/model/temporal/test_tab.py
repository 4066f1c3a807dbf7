"""Pooling over shared centres: a plain loop, masks, and unit length."""

import torch

from trainer.model.temporal.tab import TokenAlignment


def loop(tokens, mask, block):
    rows = []
    for x, m in zip(tokens, mask, strict=True):
        share = torch.softmax(x @ block.weight_center.T, dim=-1)
        parts = []
        for k in range(len(block.emb_center)):
            v = sum(m[i] * share[i, k] * (x[i] - block.emb_center[k]) for i in range(len(x)))
            parts.append(v / v.norm())
        mean = torch.stack(parts).mean(0)
        rows.append(mean / mean.norm())
    return torch.stack(rows)


@torch.no_grad()
def test_the_formula_token_by_token():
    torch.manual_seed(0)
    block = TokenAlignment(8, 1, 3, half_rate=False)
    tokens, mask = torch.randn(4, 6, 8) * 3, (torch.arange(6) < torch.tensor([[6], [4], [2], [1]])).float()
    got = block(tokens, mask)
    torch.testing.assert_close(got, loop(tokens, mask, block), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(got.norm(dim=-1), torch.ones(4))
    changed = tokens.clone()
    changed[mask == 0] = 99.0
    torch.testing.assert_close(block(changed, mask), got)


def test_nothing_but_padding_gives_zero_and_a_finite_gradient():
    block = TokenAlignment(8, 1, 3, half_rate=False)
    tokens = torch.randn(1, 4, 8, requires_grad=True)
    out = block(tokens, torch.zeros(1, 4))
    out.sum().backward()
    assert torch.equal(out, torch.zeros(1, 8))
    assert torch.isfinite(tokens.grad).all()


def test_the_half_rate_transformer_is_there_when_asked_for():
    assert TokenAlignment(8, 1, 3, half_rate=False).actions is None
    assert len(TokenAlignment(8, 1, 3, half_rate=True).actions.resblocks) == 1
