"""Patch dropout: what the tower sees, the same in both passes of accumulation and after a resume."""

from __future__ import annotations

import json
from functools import partial
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import make_shards as shards_of
import pytest
import torch
from fake_gpu import CUDA, fake_gpu
from tiny_models import tiny_model
from tiny_run import MODEL, tiny_config

from benchmarks.operators import count_operators
from schemas.errors import ConfigError
from tests.trainer.fit.test_ahead import SIZE, batches
from trainer.data.animate import Inputs, to_device
from trainer.data.augment.patches import PatchChoice
from trainer.data.config import DataConfig
from trainer.data.loader import LoaderState, TrainingLoader
from trainer.data.packing import pack
from trainer.data.shards import ShardSet
from trainer.device.ranks import Ranks
from trainer.fit.ahead import Parts
from trainer.fit.flops import flops_per_sample
from trainer.fit.step import TrainingStep
from trainer.fit.train import train
from trainer.model.clip2video import CLIP2Video
from trainer.model.config import ModelConfig
from trainer.model.towers import count_patches, encode_frames, tokenize
from trainer.objective.gradients import Gradients
from trainer.optimise.optim import make_optimizer

CPU = torch.device("cpu")


def test_a_choice_keeps_its_share_of_the_patches_and_at_least_one() -> None:
    assert PatchChoice.dropping(0.0, 49) is None
    assert PatchChoice.dropping(0.5, 49) == PatchChoice(49, 24)
    assert PatchChoice.dropping(0.999, 49) == PatchChoice(49, 1)
    (batch,) = batches(1)
    drawn = PatchChoice(49, 24).draw(batch, 7)
    assert drawn.shape == (batch.frame_mask.numel(), 24)
    assert (drawn.diff(dim=1) > 0).all()
    assert (drawn.min(), drawn.max()) == (0, 48)
    assert torch.equal(drawn, PatchChoice(49, 24).draw(batch, 7))
    assert not torch.equal(drawn, PatchChoice(49, 24).draw(batch, 8))
    batch.frame_mask[:, 1:] = 0
    batch.packing = pack(batch.frame_mask)
    assert len(PatchChoice(49, 24).draw(batch, 7)) == len(batch) + 1  # a frame each, and one of padding


def test_the_tower_sees_the_kept_patches_alone() -> None:
    clip = tiny_model().clip
    frames = torch.rand(3, 3, 32, 32)  # of four patches
    every = torch.arange(4).expand(3, 4)
    assert torch.allclose(encode_frames(clip, frames, every), encode_frames(clip, frames), atol=1e-6)
    kept = torch.tensor([[0, 3], [1, 2], [0, 1]])
    some = encode_frames(clip, frames, kept)
    assert not torch.allclose(some, encode_frames(clip, frames), atol=1e-3)
    changed = frames.clone()
    changed[0, :, :16, 16:] = 0.5  # patch 1 of the first frame
    changed[1, :, :16, 16:] = 0.5
    seen = encode_frames(clip, changed, kept)
    assert torch.equal(seen[0], some[0])
    assert not torch.allclose(seen[1], some[1], atol=1e-4)


def gradient(parts: list[Inputs], config) -> list[torch.Tensor]:
    torch.manual_seed(0)
    model = CLIP2Video(config.model)
    Gradients(model, Ranks(0, 1, CPU), config.loss).backward(parts, seed=1)
    return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


def test_both_passes_of_accumulation_see_the_same_patches() -> None:
    config = tiny_config(Path("x"), Path("x"), model={**MODEL, "patch_dropout": 0.5})
    made = batches(2)
    for number, batch in enumerate(made):
        batch.patches = PatchChoice(4, 2).draw(batch, number)
    parts = [to_device(batch, CPU, SIZE) for batch in made]
    names = ("frames_BTHWC", "frame_mask_BT", "token_ids_CL", "token_mask_CL", "identities_B3", "patches_RK")
    joined = {name: torch.cat([getattr(part, name) for part in parts]) for name in names}
    videos = torch.cat([parts[0].caption_video_C, parts[1].caption_video_C + len(made[0])])
    whole = Inputs(keys=parts[0].keys + parts[1].keys, caption_video_C=videos, **joined)
    assert whole.packing is None
    for one, two in zip(gradient([whole], config), gradient(parts, config), strict=True):
        assert torch.allclose(one, two, atol=1e-5)


def loader(folder: Path, state=None) -> TrainingLoader:
    config = DataConfig(shards=str(folder), workers=0)
    order = {"frames": 4, "size": (32, 32), "batch_size": 4, "seed": 3, "state": state}
    words = partial(tokenize, max_words=8)
    return TrainingLoader(ShardSet.find(str(folder)), config, words, **order, patches=PatchChoice(4, 2))


def test_batches_carry_patches_that_a_resume_repeats(tmp_path: Path) -> None:
    folder = shards_of.write_shards(tmp_path, 2, 5)
    made = loader(folder)
    stream = iter(made)
    first = [next(stream).patches for _ in range(2)]
    state = LoaderState.from_dict(json.loads(json.dumps(made.state().to_dict())))
    rest = [batch.patches for batch in islice(stream, 3)]
    again = [batch.patches for batch in islice(iter(loader(folder, state)), 3)]
    assert all(patches.shape == (16, 2) for patches in first)
    assert not torch.equal(*first)
    assert all(torch.equal(one, two) for one, two in zip(rest, again, strict=True))


def test_a_run_with_patch_dropout_trains_on_less_and_differs(tmp_path: Path) -> None:
    folder = shards_of.write_shards(tmp_path / "shards", 1, 8)
    losses = []
    for share in (0.0, 0.5):
        model = {**MODEL, "patch_dropout": share}
        losses.append(train(tiny_config(folder, tmp_path / str(share), model=model, max_steps=1)).loss)
    assert losses[0] != losses[1]
    full, half = (
        flops_per_sample(CLIP2Video(ModelConfig.make({**MODEL, "patch_dropout": share})))
        for share in (0.0, 0.5)
    )
    assert half < full


def test_a_tower_without_patches_is_refused() -> None:
    with pytest.raises(ConfigError, match="patch_dropout needs a vision transformer"):
        count_patches(SimpleNamespace(visual=torch.nn.Linear(2, 2)))


def test_a_gpu_step_with_patches_and_changed_frames_is_queued_without_a_wait(monkeypatch) -> None:
    config = tiny_config(Path("x"), Path("x"), model={**MODEL, "patch_dropout": 0.5})
    (batch,) = batches(1, plan=True)
    batch.patches = PatchChoice(4, 2).draw(batch, 1)
    batch.changes = torch.tensor([[0.1, 0.1, 0.8, 0.8, 1.0, 1.1, 0.9, 1.2]] * len(batch))
    with fake_gpu(monkeypatch) as gpu:
        with CUDA:
            model = CLIP2Video(config.model)
            step = TrainingStep(config, Ranks(0, 1, CUDA), model, make_optimizer(model, config.optim))
        gpu.parameters = list(model.parameters())
        parts = Parts([batch], CUDA, SIZE)
        _, counted = count_operators(lambda: step(0, parts))
    assert counted.waits == 0, counted.operators
