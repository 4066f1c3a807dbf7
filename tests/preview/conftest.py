"""Fixtures of the preview tests: small outputs, and an index over them."""

import pytest
from tiny_output import make_output, make_picture, make_still, output  # noqa: F401 (fixtures)

TINY = {
    "clip": {
        "embed_dim": 16,
        "vision": {"width": 32, "layers": 1, "head_width": 16, "patch_size": 16, "image_size": 32},
        "text": {"width": 32, "layers": 1, "heads": 2},
    },
    "max_frames": 4,
    "max_words": 12,
    "temporal_layers": 1,
}
RERANKER = {"interaction": {"enabled": True, "depth": 1, "top_k": 5}}


@pytest.fixture(scope="session")
def tiny_index(tmp_path_factory):
    """tiny_index(shards, reranker=True) -> an index made by the real code with a tiny model."""
    import torch

    from trainer.index.build import index
    from trainer.index.config import IndexSettings
    from trainer.model.clip2video import CLIP2Video
    from trainer.model.config import ModelConfig
    from trainer.model.io import save_model

    def make(shards, *, reranker=True):
        folder = tmp_path_factory.mktemp("index")
        torch.manual_seed(0)
        save_model(CLIP2Video(ModelConfig.make({**TINY, **(RERANKER if reranker else {})})), folder / "model")
        index(folder / "model", [str(shards)], folder / "index", IndexSettings(device="cpu"))
        return folder / "index"

    return make
