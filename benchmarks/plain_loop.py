"""A plain training loop over the same towers, as the mark that `zoetrope train` has to beat.

open_clip's own layers, eager, bf16 autocast, the mean over a clip's frames, the contrastive loss, fused
AdamW. Frames and tokens are on the device already: it reads, decodes and renders nothing.
"""

from __future__ import annotations

import time
from typing import Any

import open_clip
import torch
import torch.nn.functional as F  # noqa: N812 the usual name

from benchmarks.harness import spread

WARM_UP = 3  # steps
BLOCK = 3  # steps that are timed together, so that the device never waits for the clock


def samples_per_second(
    model: str, *, batch: int, frames: int, device: str, steps: int = 18, words: int = 32
) -> dict[str, Any]:
    """Train a few steps on one batch of random frames.

    Returns samples per second (median, IQR) and the batch.
    """
    torch.manual_seed(0)
    clip = open_clip.create_model(model, pretrained=None).to(device).train()
    size = clip.visual.image_size
    side = size if isinstance(size, int) else size[0]
    optimizer = torch.optim.AdamW(clip.parameters(), lr=1e-6, fused=device == "cuda")
    frames_N3HW = torch.randn(batch * frames, 3, side, side, device=device)
    tokens_BL = torch.randint(1, 40000, (batch, clip.context_length), device=device)
    tokens_BL[:, words:] = 0
    labels = torch.arange(batch, device=device)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype=torch.bfloat16):
            videos = clip.encode_image(frames_N3HW).view(batch, frames, -1).mean(1)
            texts = clip.encode_text(tokens_BL)
            logits = clip.logit_scale.exp() * F.normalize(texts, dim=-1) @ F.normalize(videos, dim=-1).T
            loss = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2
        loss.backward()
        optimizer.step()

    for _ in range(WARM_UP):
        step()
    rates = []
    for _ in range(max(steps // BLOCK, 2)):
        wait(device)
        began = time.perf_counter()
        for _ in range(BLOCK):
            step()
        wait(device)
        rates.append(BLOCK * batch / (time.perf_counter() - began))
    return {"batch": batch, "samples_per_s": spread(rates, 1)}


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
