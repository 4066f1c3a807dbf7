"""Towers small enough to build and run in milliseconds."""

from trainer.model.clip2video import CLIP2Video
from trainer.model.config import ModelConfig

TINY_CLIP = {
    "embed_dim": 32,
    "vision": {"width": 32, "layers": 2, "head_width": 16, "patch_size": 16, "image_size": 32},
    "text": {"width": 32, "layers": 2, "heads": 2, "context_length": 16, "vocab_size": 64},
}


def tiny_config(**changes) -> ModelConfig:
    return ModelConfig.make(
        {"clip": TINY_CLIP, "temporal_layers": 2, "centerK": 3, "max_frames": 6, "max_words": 8, **changes}
    )


def tiny_model(seed: int = 0, **changes) -> CLIP2Video:
    import torch

    torch.manual_seed(seed)
    return CLIP2Video(tiny_config(**changes)).eval()


def tiny_inputs(texts: int = 3, videos: int = 4, frames: int = 6, words: int = 8, seed: int = 1):
    """token_ids, token_mask, frames, frame_mask; lengths differ, padding zero and last."""
    import torch

    rng = torch.Generator().manual_seed(seed)
    ids, mask = torch.zeros(texts, words, dtype=torch.long), torch.zeros(texts, words, dtype=torch.long)
    for i in range(texts):
        length = 3 + i % (words - 2)
        ids[i, :length] = torch.randint(1, 62, (length,), generator=rng)
        ids[i, 0], ids[i, length - 1] = 62, 63
        mask[i, :length] = 1
    pictures = torch.randn(videos, frames, 3, 32, 32, generator=rng)
    frame_mask = (torch.arange(frames) < torch.tensor([[frames - i % frames] for i in range(videos)])).long()
    return ids, mask, pictures * frame_mask[:, :, None, None, None], frame_mask


def rough_model(seed: int = 0, **changes) -> CLIP2Video:
    """A tiny model in which no bias is 0 and no two weights are equal, so that a swap shows."""
    import torch

    model = tiny_model(seed, **changes)
    rng = torch.Generator().manual_seed(seed + 100)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=rng)
    return model
