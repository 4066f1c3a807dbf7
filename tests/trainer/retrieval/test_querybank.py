"""The captions of a query bank, from shards to vectors."""

from __future__ import annotations

from pathlib import Path

import make_shards as shards_of
import pytest
import torch
from tiny_index import checkpoint

from schemas.errors import ConfigError
from trainer.device.ranks import Ranks
from trainer.model.io import load_model
from trainer.retrieval import querybank
from trainer.retrieval.config import EvaluateConfig
from trainer.retrieval.embed import Embedder
from trainer.retrieval.evaluate import evaluate
from trainer.retrieval.querybank import embed_bank, read_bank

ALONE = Ranks(0, 1, torch.device("cpu"))


def write(folder: Path) -> Path:
    said = [("a1", "a2", "a3"), ("b1",), ("c1", "c2")]
    made = [shards_of.sample(i, captions=captions, phrase="as it turns") for i, captions in enumerate(said)]
    made[1][1]["jpg"] = b"no picture, and none is needed"
    shards_of.write_shard(folder / "0.tar", made)
    return folder


def test_samples_give_their_captions_in_turn(tmp_path: Path) -> None:
    write(tmp_path)
    plain = read_bank(str(tmp_path), 100, motion_phrases=False)
    assert plain == ["a1", "b1", "c1", "a2", "c2", "a3"]
    assert read_bank(str(tmp_path), 4, motion_phrases=False) == ["a1", "b1", "c1", "a2"]
    assert read_bank(str(tmp_path), 2) == ["a1, as it turns", "b1, as it turns"]


def test_the_bank_is_embedded_in_order_whatever_the_parts(tmp_path: Path, monkeypatch) -> None:
    embedder = Embedder(load_model(checkpoint(tmp_path / "model")), torch.device("cpu"))
    captions = [f"a thing number {i}" for i in range(7)]
    whole = embed_bank(embedder, captions, ALONE)
    monkeypatch.setattr(querybank, "CAPTIONS_AT_ONCE", 3)
    torch.testing.assert_close(embed_bank(embedder, captions, ALONE), whole)
    assert (whole[0] - whole[1]).abs().max() > 1e-4


def test_shards_without_captions_are_a_mistake_of_the_config(tmp_path: Path) -> None:
    key, members = shards_of.sample(0)
    shards_of.write_shard(tmp_path / "0.tar", [(key, {**members, "json": b"{}"})])
    with pytest.raises(ConfigError, match="the shards hold no caption"):
        read_bank(str(tmp_path), 10)


def test_an_evaluation_with_a_bank_has_metrics_of_its_own(tmp_path: Path) -> None:
    clips = shards_of.write_shards(tmp_path / "clips", 1, 8, "video")
    model = checkpoint(tmp_path / "model", interaction=False)
    values = {"checkpoint": str(model), "data": {"shards": str(clips), "workers": 0}, "device": "cpu"}
    plain = evaluate(EvaluateConfig.make(values))
    bank = write(tmp_path / "bank")
    found = evaluate(EvaluateConfig.make({**values, "querybank": str(bank), "dual_softmax": True}))
    assert set(found.extra) == {"qb_norm.t2v", "dual_softmax.t2v", "dual_softmax.v2t"}
    assert (found.coarse, plain.extra) == (plain.coarse, {})
    for name, value in (("querybank", str(bank)), ("dual_softmax", True), ("backwards", True)):
        with pytest.raises(ConfigError, match=f"{name} has no effect with captions=shared"):
            EvaluateConfig.make({**values, "captions": "shared", name: value})
    with pytest.raises(ConfigError, match="querybank_captions = 3 has no effect without querybank"):
        EvaluateConfig.make({**values, "querybank_captions": 3})
