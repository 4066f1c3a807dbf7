"""Parameter groups, schedule, freezing, the clamp."""

from __future__ import annotations

import copy
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from tiny_run import tiny_config, tiny_values

from schemas.errors import ConfigError
from trainer.fit.config import OptimConfig, TrainConfig
from trainer.model.clip2video import CLIP2Video
from trainer.optimise.optim import (
    clamp_logit_scale,
    depths,
    freeze,
    lr_share,
    make_optimizer,
    named_parameters,
    parameter_groups,
    set_lr,
    step_unless,
)


@pytest.fixture
def model() -> CLIP2Video:
    settings = tiny_values(Path("x"), Path("y"))["model"] | {"interaction": {"enabled": True, "depth": 1}}
    return CLIP2Video(TrainConfig.make(tiny_values(Path("x"), Path("y"), model=settings)).model)


def test_every_parameter_is_in_one_group(model: CLIP2Video) -> None:
    groups = parameter_groups(model)
    names = [name for members in groups.values() for name, _ in members]
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())


def test_norms_biases_embeddings_and_scalars_are_not_decayed(model: CLIP2Video) -> None:
    groups = {name: {member for member, _ in members} for name, members in parameter_groups(model).items()}
    assert {
        "clip.logit_scale",
        "clip.token_embedding.weight",
        "clip.positional_embedding",
        "clip.visual.class_embedding",
        "clip.visual.positional_embedding",
        "clip.ln_final.weight",
        "clip.transformer.resblocks.0.mlp.c_fc.bias",
    } <= groups["clip_no_decay"]
    assert {"clip.visual.conv1.weight", "clip.text_projection", "clip.visual.proj"} <= groups["clip"]
    assert {
        "frame_positions.weight",
        "tdb.types.weight",
        "interaction.cls",
        "interaction.norm.weight",
    } <= groups["new_no_decay"]
    assert {"tab.weight_center", "interaction.head.weight"} <= groups["new"]
    assert all(p.ndim >= 2 for name in ("clip", "new") for _, p in parameter_groups(model)[name])


def test_learning_rates_by_group(model: CLIP2Video) -> None:
    config = OptimConfig(lr_clip=1e-7, lr_new=1e-4, weight_decay=0.2)
    optimizer = make_optimizer(model, config)
    assert set_lr(optimizer, 0.5) == {"clip": 5e-8, "clip_no_decay": 5e-8, "new": 5e-5, "new_no_decay": 5e-5}
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.2, 0.0, 0.2, 0.0]


def test_schedule_rises_linearly_and_falls_by_a_cosine() -> None:
    config = OptimConfig(warmup=0.1, end_lr=0.1)
    shares = [lr_share(step, 100, config) for step in range(100)]
    assert shares[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert shares[10] == 1.0
    assert shares[55] == pytest.approx(0.1 + 0.9 * 0.5)
    assert shares[99] == pytest.approx(0.1, abs=1e-3)
    assert all(a >= b for a, b in pairwise(shares[10:]))
    assert lr_share(0, 1, OptimConfig()) == 1.0


def test_freezing(model: CLIP2Video) -> None:
    def trained() -> set[str]:
        return {name for name, p in model.named_parameters() if p.requires_grad}

    freeze(model, "clip")
    assert {name for name in trained() if name.startswith("clip.")} == {"clip.logit_scale"}
    assert "tab.weight_center" in trained()
    freeze(model, "dual")
    assert {name.split(".")[0] for name in trained()} == {"interaction"}
    assert {name for name, _ in named_parameters(make_optimizer(model, OptimConfig()))} == trained()
    freeze(model, "none")
    assert len(trained()) == len(list(model.parameters()))


def test_the_fused_optimizer_is_adamw_and_a_broken_step_is_left_out(model: CLIP2Video) -> None:
    config = OptimConfig(lr_clip=1e-3, lr_new=1e-3, weight_decay=0.1)
    other = copy.deepcopy(model)
    fused = make_optimizer(model, config)
    groups = [
        {**group, "params": [dict(other.named_parameters())[name] for name in group["param_names"]]}
        for group in fused.param_groups
    ]
    plain = torch.optim.AdamW(groups, fused=False)
    for broken in (0.0, 1.0, 0.0):
        for optimizer, of in ((fused, model), (plain, other)):
            set_lr(optimizer, 1.0)
            rng = torch.Generator().manual_seed(1)
            for parameter in of.parameters():
                parameter.grad = torch.randn(parameter.shape, generator=rng)
        step_unless(torch.tensor(broken), fused)
        if not broken:
            plain.step()
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)
    assert {state["step"].item() for state in fused.state.values()} == {2.0}


def test_logit_scale_is_clamped(model: CLIP2Video) -> None:
    for value, wanted in ((9.0, math.log(100)), (-1.0, 0.0), (3.0, 3.0)):
        with torch.no_grad():
            model.clip.logit_scale.fill_(value)
        clamp_logit_scale(model, 100.0)
        assert model.clip.logit_scale.item() == pytest.approx(wanted)


def test_configs_that_cannot_be(tmp_path: Path) -> None:
    for changes, message in (
        ({"max_samples": 10}, "exactly one of max_steps and max_samples"),
        ({"max_steps": None}, "exactly one of max_steps and max_samples"),
        ({"freeze": "dual"}, "model.interaction.enabled=true"),
        ({"best_metric": "R1"}, "best_metric = 'R1' must be one of t2v.R1"),
        ({"best_metric": "rerank.t2v.R1"}, "best_metric = 'rerank.t2v.R1' must be one of t2v.R1"),
        (
            {"loss": {"match_weight": 7.0}},
            "match_weight = 7.0 has no effect without model.interaction.enabled",
        ),
        (
            {"loss": {"match_weight": 0.0}, "model": {"interaction": {"enabled": True}}},
            "match_weight = 0.0 is not allowed: it must be > 0",
        ),
        (
            {"freeze": "dual", "best_metric": "t2v.R1", "model": {"interaction": {"enabled": True}}},
            "best_metric = 't2v.R1' does not change with freeze=dual",
        ),
        (
            {"loss": {"distill_weight": 1.0}},
            r"distill_weight = 1.0 has no effect without model.interaction.enabled=true",
        ),
        (
            {
                "loss": {"distill_weight": 1.0},
                "model": {"interaction": {"enabled": True}},
                "freeze": "dual",
            },
            "has no effect without a dual encoder that is not frozen",
        ),
        ({"loss": {"distill_candidates": 4}}, "distill_candidates = 4 has no effect without distill_weight"),
        ({"model": {"logit_bias": -5.0}}, "logit_bias = -5.0 has no effect without loss.contrastive=sigmoid"),
        (
            {"optim": {"layer_decay": 0.9}, "freeze": "clip"},
            "layer_decay = 0.9 has no effect with freeze=clip",
        ),
        ({"optim": {"layer_decay": 0.0}}, "layer_decay = 0.0 is not allowed: it must be > 0 and <= 1"),
        ({"optim": {"ema": 1.0}}, "ema = 1.0 is not allowed: it must be > 0 and < 1"),
        ({"global_batch_size": 1}, "global_batch_size = 1 is not allowed: it must be >= 2"),
        ({"compile": "fast"}, "compile = 'fast' is not allowed: it must be one of true, false, auto"),
        ({"batch_size": 8}, "unknown field batch_size; the nearest known field is global_batch_size"),
    ):
        with pytest.raises(ConfigError, match=message):
            tiny_config(tmp_path, tmp_path, **changes)


def test_length_in_samples_is_rounded_up_to_steps(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, tmp_path, max_steps=None, max_samples=50, global_batch_size=8)
    assert config.total_steps == 7


def test_frozen_embeddings_are_those_that_clip4clip_freezes() -> None:
    """Its loop freezes what is neither a block, a final norm, a projection nor the logit scale: 27.7 M of
    ViT-B/32.
    """
    from trainer.model.config import ModelConfig

    with torch.device("meta"):
        model = CLIP2Video(ModelConfig.make({"clip": "ViT-B-32-quickgelu", "pretrained": None}))
    freeze(model, "embeddings")
    frozen = {name: p.numel() for name, p in model.named_parameters() if not p.requires_grad}
    assert sum(frozen.values()) == 27_736_320
    trained = ("resblocks.", "ln_final.", "text_projection", "logit_scale", "visual.ln_post.", "visual.proj")
    assert not any(part in name for name in frozen for part in trained)
    freeze(model, "none")
    assert all(p.requires_grad for p in model.parameters())


def test_the_cosine_of_the_whole_run_is_clip4clips() -> None:
    """There: x / warmup below the warm-up, and 0.5 (1 + cos(pi x)) above it, of x the share of the run that
    is done.
    """
    config = OptimConfig(warmup=0.1, cosine="whole_run")
    shares = [lr_share(step, 100, config) for step in range(100)]
    assert shares[9] == pytest.approx(1.0)
    for step in (10, 50, 99):
        assert shares[step] == pytest.approx(0.5 * (1 + math.cos(math.pi * step / 100)))
    assert lr_share(10, 100, OptimConfig(warmup=0.1)) == pytest.approx(1.0)
    assert shares[10] < 0.98


def test_lower_layers_of_the_towers_learn_more_slowly(model: CLIP2Video) -> None:
    config = OptimConfig(lr_clip=1e-4, lr_new=1e-2, layer_decay=0.5)
    optimizer = make_optimizer(model, config)
    assert set_lr(optimizer, 1.0) == {"clip": 1e-4, "clip_no_decay": 1e-4, "new": 1e-2, "new_no_decay": 1e-2}
    rate = {name: group["lr"] for group in optimizer.param_groups for name in group["param_names"]}
    assert rate.keys() == dict(model.named_parameters()).keys()
    for name, wanted in {
        "clip.visual.proj": 1e-4,
        "clip.logit_scale": 1e-4,
        "clip.visual.transformer.resblocks.1.attn.in_proj_weight": 5e-5,
        "clip.transformer.resblocks.1.mlp.c_fc.bias": 5e-5,
        "clip.transformer.resblocks.0.ln_1.weight": 2.5e-5,
        "clip.token_embedding.weight": 1.25e-5,
        "clip.visual.conv1.weight": 1.25e-5,
        "tdb.types.weight": 1e-2,
        "sequence.resblocks.0.mlp.c_fc.weight": 1e-2,
    }.items():
        assert rate[name] == pytest.approx(wanted), name
    plain = make_optimizer(model, OptimConfig(lr_clip=1e-4))
    assert [group["name"] for group in plain.param_groups] == ["clip", "clip_no_decay", "new", "new_no_decay"]


def test_towers_of_different_depth_are_counted_from_their_own_tops() -> None:
    found = depths(
        [
            "clip.visual.transformer.resblocks.11.a",
            "clip.visual.transformer.resblocks.0.a",
            "clip.text.transformer.resblocks.2.a",
            "clip.text.token_embedding.weight",
            "clip.visual.conv1.weight",
        ]
    )
    assert list(found.values()) == [1, 12, 1, 4, 13]
