"""What is measured of motion: the right one among equal pictures, and clips played backwards."""

from __future__ import annotations

from pathlib import Path

import make_shards as shards_of
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_index import checkpoint
from tiny_models import tiny_inputs, tiny_model

from trainer.data.identity import UNSAID, Identity
from trainer.retrieval.collect import Embedded
from trainer.retrieval.config import EvaluateConfig
from trainer.retrieval.distractors import RightMotion
from trainer.retrieval.embed import Embedder, Items, backwards
from trainer.retrieval.evaluate import evaluate
from trainer.retrieval.ranking import rank

CPU = torch.device("cpu")


def embedded(vectors: torch.Tensor, texts: torch.Tensor, ids: list[Identity], **more) -> Embedded:
    count = len(vectors)
    names = [str(i) for i in range(count)]
    return Embedded(Items(vectors), Items(texts), names, names, np.arange(count), tuple(ids), 0, **more)


def of_pictures() -> list[Identity]:
    """Three clips of a picture (the third has it by its bytes alone), two of another, one that says nothing."""
    return [
        Identity(1, 1, 11),
        Identity(1, 1, 12),
        Identity(9, 1, 13),
        Identity(2, 2, 11),
        Identity(2, 2, 12),
        Identity(1, 1, UNSAID),
    ]


def test_the_right_motion_is_sought_among_clips_of_one_picture_alone() -> None:
    eye = torch.eye(6, 32)
    confused = eye.clone()
    confused[0] = F.normalize(
        eye[0] + 2 * eye[3] + 3 * eye[5], dim=0
    )  # nearest: another picture, a silent one
    confused[4] = F.normalize(eye[4] + 2 * eye[3], dim=0)  # nearest: the other motion
    found = rank(Embedder(tiny_model(), CPU), embedded(eye, confused, of_pictures())).extra["motion"]
    assert found == {
        "accuracy": pytest.approx(100 * 4 / 5),
        "chance": pytest.approx(100 * (3 / 3 + 2 / 2) / 5),
        "queries": 5.0,
    }


def test_a_model_that_is_blind_to_motion_has_the_accuracy_of_chance() -> None:
    same = torch.eye(1, 32).expand(6, -1).clone()
    found = rank(Embedder(tiny_model(), CPU), embedded(same, same, of_pictures())).extra["motion"]
    assert found["accuracy"] == pytest.approx(found["chance"])


def test_pictures_that_a_later_clip_shows_to_be_one_are_one() -> None:
    ids = [Identity(1, 1, 11), Identity(2, 2, 12), Identity(1, 2, 13)]
    assert RightMotion(embedded(torch.eye(3, 32), torch.eye(3, 32), ids)).queries == 3


def test_without_phrases_nothing_is_reported() -> None:
    eye = torch.eye(3, 32)
    assert (
        rank(Embedder(tiny_model(), CPU), embedded(eye, eye, [Identity(i, i, 5) for i in range(3)])).extra
        == {}
    )


def test_reversed_clips_are_distractors_and_symmetric_ones_are_not() -> None:
    videos, back = torch.eye(4, 32), torch.eye(8, 32)[4:]
    texts = videos.clone()
    texts[1] = F.normalize(videos[1] + 2 * back[1], dim=0)  # its clip is better backwards
    texts[2] = F.normalize(videos[2] + 2 * back[3], dim=0)  # another's reversed clip is better
    symmetric = torch.tensor([True, False, False, False])
    ids = [Identity(i, i, UNSAID) for i in range(4)]
    data = embedded(videos, texts, ids, backwards=Items(back), symmetric_M=symmetric)
    found = rank(Embedder(tiny_model(), CPU), data)
    assert found.coarse["t2v"]["R1"] == 100
    assert found.extra["backwards.t2v"]["R1"] == 50
    assert found.extra["backwards"] == {"preferred": pytest.approx(100 / 3), "queries": 3.0}


def test_a_model_that_is_blind_to_order_prefers_the_reversed_clip_half_of_the_time() -> None:
    eye, moving = torch.eye(4, 32), torch.zeros(4, dtype=torch.bool)
    ids = [Identity(video, video, UNSAID) for video in range(4)]
    data = embedded(eye, eye, ids, backwards=Items(eye.clone()), symmetric_M=moving)
    found = rank(Embedder(tiny_model(), CPU), data).extra
    assert found["backwards"] == {"preferred": 50.0, "queries": 4.0}
    assert found["backwards.t2v"]["MnR"] == 1.5


def test_backwards_is_the_model_on_reversed_frames_and_padding_stays_last() -> None:
    model = tiny_model()
    _, _, _, mask = tiny_inputs(videos=4)
    frames = torch.randint(0, 255, (4, 6, 32, 32, 3), dtype=torch.uint8) * mask[..., None, None, None].byte()
    embedder = Embedder(model, CPU)
    forwards, back = embedder.both_ways(frames, mask, ["a"] * 4)
    turned = torch.stack(
        [torch.cat((clip[:n].flip(0), clip[n:])) for clip, n in zip(frames, mask.sum(1), strict=True)]
    )
    torch.testing.assert_close(back.vectors_NE, embedder.videos(turned, mask, ["a"] * 4).vectors_NE)
    torch.testing.assert_close(forwards.vectors_NE, embedder.videos(frames, mask, ["a"] * 4).vectors_NE)
    assert (forwards.vectors_NE - back.vectors_NE).abs().max() > 1e-3
    assert backwards(torch.tensor([[1, 1, 1, 0]])).tolist() == [[2, 1, 0, 3]]


def test_an_evaluation_reports_both(tmp_path: Path) -> None:
    phrases = {"pan_left": "as the camera pans left", "zoom_in": "as the camera zooms in"}
    made = [
        shards_of.sample(i // 2, key=f"k{i}", image_id=str(i // 2), motion=motion, phrase=phrases[motion])
        for i, motion in enumerate(list(phrases) * 3)
    ]
    shards_of.write_shard(tmp_path / "shards" / "0.tar", made)
    model = checkpoint(tmp_path / "model", interaction=False)
    values = {
        "checkpoint": str(model),
        "data": {"shards": f"{tmp_path}/shards", "workers": 0},
        "device": "cpu",
    }
    found = evaluate(EvaluateConfig.make({**values, "backwards": True})).extra
    assert found["motion"]["queries"] == 6
    assert found["motion"]["chance"] == 50
    assert found["backwards"]["queries"] == 6  # a zoom is another clip backwards
    assert set(evaluate(EvaluateConfig.make(values)).extra) == {"motion"}
