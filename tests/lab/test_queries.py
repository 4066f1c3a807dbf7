import numpy as np
import pytest
import torch

from lab.queries import group_of, hits, kind_of, ranks
from trainer.data.identity import Identity
from trainer.model.clip2video import CLIP2Video
from trainer.model.config import ModelConfig
from trainer.retrieval.collect import Embedded
from trainer.retrieval.embed import Embedder, Items

SMALL = {
    "clip": {
        "embed_dim": 8,
        "vision": {"width": 16, "layers": 1, "head_width": 8, "patch_size": 8, "image_size": 16},
        "text": {"width": 8, "layers": 1, "heads": 2, "context_length": 8, "vocab_size": 64},
    },
    "sim_type": "meanP",
    "center_type": "",
    "max_frames": 2,
    "max_words": 8,
}
KEYS = [
    "0000000-motion000000_pan_up-mp4",
    "0000001-motion000000_zoom_in-mp4",
    "0000002-motion000001_pan_up-mp4",
]


def embedded(vectors_ME: list[list[float]], texts_QE: list[list[float]], owners: list[int]) -> Embedded:
    captions = [f"caption {i}" for i in range(len(texts_QE))]
    return Embedded(
        videos=Items(torch.tensor(vectors_ME)),
        texts=Items(torch.tensor(texts_QE)),
        keys=KEYS,
        captions=captions,
        owners=np.array(owners),
        identities=tuple(Identity(row, row, row) for row in range(len(KEYS))),
        repeated=0,
    )


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(CLIP2Video(ModelConfig.make(SMALL)), torch.device("cpu"))


def test_all_videos_compete(embedder: Embedder) -> None:
    data = embedded([[1.0, 0.0], [0.0, 1.0], [0.8, 0.2]], [[1.0, 0.0], [0.9, 0.1]], [0, 2])
    found = ranks(embedder, data, top_k=2, grouped=False)
    assert found["dual"] == [1.0, 2.0]
    assert found["clip"] == [KEYS[0], KEYS[2]]
    assert found["other"] == [KEYS[2], KEYS[0]]
    assert "fine" not in found


def test_only_videos_of_the_group_compete(embedder: Embedder) -> None:
    data = embedded([[0.5, 0.5], [0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0]], [0])
    assert ranks(embedder, data, top_k=2, grouped=False)["dual"] == [2.0]
    assert ranks(embedder, data, top_k=2, grouped=True)["dual"] == [1.0]


def test_a_tie_is_no_hit(embedder: Embedder) -> None:
    data = embedded([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]], [[1.0, 0.0]], [0])
    found = ranks(embedder, data, top_k=2, grouped=True)["dual"]
    assert found == [1.5]
    assert hits(found).tolist() == [0.0]
    assert hits([1.0, 2.0]).tolist() == [1.0, 0.0]


def test_the_group_of_a_key() -> None:
    assert [group_of(key) for key in KEYS] == ["motion000000", "motion000000", "motion000001"]


def test_the_kind_of_motion_is_the_first_word_of_its_name() -> None:
    assert [kind_of(key) for key in KEYS] == ["pan", "zoom", "pan"]
