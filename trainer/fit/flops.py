"""Floating point operations: how many a sample costs, and how many a GPU can do; their ratio is the MFU."""

from __future__ import annotations

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from trainer.data.augment.patches import PatchChoice
from trainer.fit.config import TrainConfig
from trainer.model.clip2video import CLIP2Video
from trainer.objective.gradients import Encoder, vectors

# Peak dense operations a second in bfloat16 with float32 accumulation, from NVIDIA's data sheets (without
# sparsity), by words of the name: the first of which it has all is taken.
PEAK_BF16 = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L4": 121e12,
}


# Of `zoetrope train` as measured on one H200: ViT-B/32, clips of 12 frames, bf16, batch 128, deterministic,
# from stills in shards, before batches were prepared ahead and kernels fused.
MEASURED_MFU = 0.098


def training_hours(
    config: TrainConfig, flops: float, *, gpus: int, gpu: str, mfu: float = MEASURED_MFU
) -> float:
    """Return how long a run takes: its operations over what `gpus` cards of a name in `PEAK_BF16` reach.

    `flops` are those of a sample. Several parts per step cost another forward pass, a third of a sample.
    """
    samples = config.total_steps * config.global_batch_size
    passes = 4 / 3 if config.accumulate > 1 else 1.0
    return samples * flops * passes / (gpus * PEAK_BF16[gpu] * mfu) / 3600


def flops_per_sample(model: CLIP2Video) -> float:
    """Count the operations of one clip and one caption through the encoders, forward and backward.

    The model runs on its device, and each operator is counted. Operations that checkpointing or accumulation
    repeat count once, and frozen towers have no backward pass: MFU counts what the model needs, not what the
    hardware runs. Attention counts as its matrix products, since torch does not count every fused kernel.
    Leaves no gradient.
    """
    device = model.clip.logit_scale.device
    encoder = Encoder(model)
    config, side = model.config, model.image_size
    frames = torch.zeros(1, config.max_frames, side, side, 3, dtype=torch.uint8, device=device)
    mask = torch.ones(1, config.max_frames, dtype=torch.int64, device=device)
    tokens = torch.ones(1, config.max_words, dtype=torch.int64, device=device)
    model.clip.set_grad_checkpointing(False)
    try:
        attention = sdpa_kernel(SDPBackend.MATH)
        with FlopCounterMode(display=False) as counter, torch.enable_grad(), attention:
            features = encoder(frames, mask, tokens, tokens, None, _patches(model))
            parts = [part for of_kind in features for part in vectors(of_kind)]
            total = torch.stack([part.sum() for part in parts]).sum()
            if total.requires_grad:
                total.backward()
    finally:
        model.clip.set_grad_checkpointing(config.grad_checkpointing)
        model.zero_grad(set_to_none=True)
    return float(counter.get_total_flops())


def _patches(model: CLIP2Video) -> torch.Tensor | None:
    """Any patches of each frame of a clip, as many as training keeps."""
    choice = PatchChoice.dropping(model.config.patch_dropout, model.patches)
    if choice is None:
        return None
    kept = torch.arange(choice.kept, device=model.clip.logit_scale.device)
    return kept.expand(model.config.max_frames, -1)


def peak_flops(device: torch.device, precision: str) -> float | None:
    """Of this device in bfloat16; None where it is not known, and in fp32, whose peak depends on TF32."""
    if device.type != "cuda" or precision != "bf16":
        return None
    return peak_of(torch.cuda.get_device_name(device))


def peak_of(name: str) -> float | None:
    """Of a GPU by torch's name for it, or None.

    A MIG slice is a part of the card that nobody published a peak of.
    """
    words = name.replace("-", " ").split()
    if "MIG" in words:
        return None
    return next(
        (peak for known, peak in PEAK_BF16.items() if all(word in words for word in known.split())), None
    )
