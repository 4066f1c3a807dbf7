"""The largest batch of which whole training steps fit the memory of a GPU, for `benchmarks.training`.

A trial that fails leaves memory in pieces, so `benchmarks.training` runs this in a process of its own.
"""

from __future__ import annotations

import gc
import sys
from functools import partial
from typing import Any

import torch

from trainer.data.loader import TrainingLoader
from trainer.data.shards import ShardSet
from trainer.device.errors import RunError, no_memory
from trainer.device.precision import choose_device
from trainer.device.ranks import Ranks
from trainer.fit.ahead import Parts
from trainer.fit.config import TrainConfig
from trainer.fit.initialise import make_model
from trainer.fit.step import TrainingStep
from trainer.model.towers import tokenize
from trainer.optimise.optim import make_optimizer


def fits(fields: dict[str, Any], batch: int, *, checkpointing: bool) -> bool:
    """Do two whole steps of `batch` stills, rendering included, fit the memory?

    The second step has the optimizer's state.
    """
    model_fields = {**fields["model"], "grad_checkpointing": checkpointing}
    config = TrainConfig.make(
        {**fields, "model": model_fields, "output": "unused", "global_batch_size": batch}
    )
    device = choose_device(config.device)
    try:
        model, _ = make_model(config.model, None)
        model.to(device)
        size = (model.image_size, model.image_size)
        loader = TrainingLoader(
            ShardSet.find(config.data.shards),
            config.data.model_copy(update={"workers": 0}),
            partial(tokenize, max_words=config.model.max_words),
            frames=config.model.max_frames,
            size=size,
            batch_size=batch,
            seed=0,
        )
        step = TrainingStep(config, Ranks(0, 1, device), model, make_optimizer(model, config.optim))
        stills = next(iter(loader))
        for done in range(2):
            step(done, Parts([stills], device, size)).result()
    except (RuntimeError, RunError) as error:
        if not no_memory(error):
            raise
        return False
    return True


def clean() -> None:
    """Free what a trial left: a compiled model is held by reference cycles and by the compiler's tables."""
    if "torch._dynamo" in sys.modules:
        torch._dynamo.reset()
    gc.collect()
    torch.cuda.empty_cache()


def largest_batch(fields: dict[str, Any], most: int, grain: int, *, checkpointing: bool) -> int:
    """Find the largest multiple of `grain` up to `most` that fits, 0 if none, by doubling and bisection."""
    good, bad, trial = 0, most + grain, min(64, most)
    while bad - good > grain:
        works = fits(fields, trial, checkpointing=checkpointing)
        clean()
        print(f"    {trial} clips {'fit' if works else 'do not fit'}", flush=True)
        good, bad = (trial, bad) if works else (good, trial)
        trial = min(2 * good, most) if bad > most else (good + bad) // 2 // grain * grain
    return good
