"""The leaner layers compute what open_clip's own compute, with the same parameters, gradients and names."""

from __future__ import annotations

import copy

import open_clip
import pytest
import torch
from tiny_models import TINY_CLIP

from benchmarks.operators import count_operators
from trainer.model.lean import PatchEmbedding, QuickGeluMlp, SelfAttention, is_causal, lighten, quick_gelu_mlp
from trainer.model.towers import text_tower


def towers(custom: bool = False, **settings):
    torch.manual_seed(0)
    kind = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    shape = {"vision_cfg": TINY_CLIP["vision"], "text_cfg": TINY_CLIP["text"], "quick_gelu": True, **settings}
    plain = kind(TINY_CLIP["embed_dim"], **copy.deepcopy(shape))
    lean = copy.deepcopy(plain)
    lighten(lean, text_tower(lean))
    return plain, lean


def inputs():
    rng = torch.Generator().manual_seed(1)
    return torch.randn(3, 3, 32, 32, generator=rng), torch.randint(1, 62, (4, 16), generator=rng)


@pytest.mark.parametrize("custom", [False, True])
def test_both_towers_give_open_clips_embeddings(custom):
    plain, lean = towers(custom)
    frames, ids = inputs()
    torch.testing.assert_close(lean.encode_image(frames), plain.encode_image(frames), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(lean.encode_text(ids), plain.encode_text(ids), atol=1e-5, rtol=1e-4)


def test_gradients_are_open_clips():
    frames, ids = inputs()
    gradients = []
    for clip in towers():
        (clip.encode_image(frames).square().sum() + clip.encode_text(ids).square().sum()).backward()
        gradients.append({name: p.grad for name, p in clip.named_parameters() if p.grad is not None})
    plain, lean = gradients
    assert list(plain) == list(lean)
    for name, gradient in plain.items():
        torch.testing.assert_close(lean[name], gradient, atol=2e-4, rtol=1e-3, msg=name)


def test_names_and_parameters_stay():
    plain, lean = towers()
    assert list(plain.state_dict()) == list(lean.state_dict())
    assert sum(p.numel() for p in plain.parameters()) == sum(p.numel() for p in lean.parameters())
    lean.load_state_dict(plain.state_dict())


def test_every_layer_is_replaced():
    _, lean = towers()
    for transformer in (lean.visual.transformer, lean.transformer):
        for block in transformer.resblocks:
            assert isinstance(block.attn, SelfAttention)
            assert isinstance(block.mlp, QuickGeluMlp)
    assert isinstance(lean.visual.conv1, PatchEmbedding)
    assert is_causal(lean)
    assert not lean.visual.transformer.resblocks[0].attn.causal


def test_exact_gelu_keeps_its_own_mlp():
    plain, lean = towers(quick_gelu=False)
    assert not isinstance(lean.transformer.resblocks[0].mlp, QuickGeluMlp)
    frames, _ = inputs()
    torch.testing.assert_close(lean.encode_image(frames), plain.encode_image(frames), atol=1e-5, rtol=1e-4)


def test_the_mlp_runs_one_activation_kernel_and_keeps_one_tensor_for_it():
    first, second = torch.nn.Linear(8, 32), torch.nn.Linear(32, 8)
    saved = []
    x = torch.randn(5, 8, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.shape) or t, lambda t: t):
        out, counted = count_operators(lambda: quick_gelu_mlp(x, first, second))
    assert [name for name in counted.operators if "silu" in name or "sigmoid" in name] == [
        "aten.silu.default"
    ]
    assert saved.count(torch.Size([5, 32])) == 2  # silu's input, and its output for the second product
    hidden = first(x)
    torch.testing.assert_close(out, second(hidden * torch.sigmoid(1.702 * hidden)))


def test_attention_copies_neither_projections_nor_the_causal_mask():
    _, lean = towers()
    x = torch.randn(2, 5, 32)
    attention = lean.transformer.resblocks[0].attn
    with torch.no_grad():
        _, counted = count_operators(lambda: attention(x, x, x))
    assert not {"aten.clone.default", "aten.copy_.default", "aten._to_copy.default"} & set(counted.operators)


@pytest.mark.parametrize(("side", "patch"), [((32, 32), (16, 16)), ((33, 40), (16, 8)), ((7, 7), (7, 7))])
def test_patches_by_product_are_patches_by_convolution(side, patch):
    convolution = torch.nn.Conv2d(3, 12, patch, stride=patch)
    x = torch.randn(2, 3, *side)
    made = PatchEmbedding(convolution)(x)
    torch.testing.assert_close(made, convolution(x), atol=1e-5, rtol=1e-4)
