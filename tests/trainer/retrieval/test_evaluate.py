"""Evaluation, from shards to the table and the JSON."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import make_shards as shards_of
import numpy as np
import pytest
import torch
import yaml
from tiny_index import checkpoint, full, spoil

from schemas.errors import ConfigError
from trainer.data.config import DataConfig
from trainer.data.loader import evaluation_loader
from trainer.data.shards import ShardSet
from trainer.device.ranks import Ranks
from trainer.fit.evaluation import evaluate_model
from trainer.model.io import load_model
from trainer.model.towers import tokenize
from trainer.retrieval.collect import embed_loader
from trainer.retrieval.config import EvaluateConfig
from trainer.retrieval.embed import Embedder
from trainer.retrieval.evaluate import _loader, evaluate
from trainer.retrieval.metrics import retrieval_metrics
from trainer.retrieval.ranking import rank
from zoetrope import cli

ROOT = Path(__file__).parents[3]
ALONE = Ranks(0, 1, torch.device("cpu"))


def main(arguments: list[str]) -> int:
    return cli.main(["evaluate", *arguments])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shards_of.write_shards(tmp_path_factory.mktemp("clips"), 2, 7, "video")


def config(model: Path, clips: Path, **changes) -> EvaluateConfig:
    values = {
        "checkpoint": str(model),
        "data": {"shards": str(clips), "workers": 0, "batch_size": 4},
        "device": "cpu",
    }
    return EvaluateConfig.make({**values, **changes})


SIX = list(shards_of.COLOURS)[:6]


def many_captions(folder: Path) -> Path:
    """Six videos with one to three captions, and a second clip of the first with one caption that is new."""
    said = [
        tuple(f"a {colour} thing number {j}" for j in range(1 + i % 3))
        for i, colour in enumerate(list(shards_of.COLOURS)[:6])
    ]
    samples = [shards_of.sample(i, "video", captions=c, image_id=f"id{i}") for i, c in enumerate(said)]
    samples.append(shards_of.sample(9, "video", captions=(said[0][0], "something new"), image_id="id0"))
    shards_of.write_shard(folder / "00000.tar", samples)
    return folder


def test_it_ranks_as_the_whole_matrix_would(model: Path, tmp_path: Path) -> None:
    clips = shards_of.write_shards(tmp_path, 1, 14, "video")
    result = evaluate(config(model, clips))
    net = load_model(model)
    words = partial(tokenize, max_words=16)
    data = DataConfig(shards=str(clips), workers=0, eval_batch_size=14)
    (batch,) = evaluation_loader(ShardSet.find(str(clips)), data, words, frames=4, size=(32, 32))
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in net.normalisation)
    frames = (batch.frames.permute(0, 1, 4, 2, 3) / 255 - mean) / std
    with torch.inference_mode():
        logits = net.similarity(batch.token_ids, batch.token_mask, frames, batch.frame_mask)
        text, video = (
            net.encode_text(batch.token_ids, batch.token_mask),
            net.encode_video(frames, batch.frame_mask),
        )
    expected = retrieval_metrics(logits, np.arange(14))
    for way in ("t2v", "v2t"):
        assert result.coarse[way] == pytest.approx(
            expected[way], abs=0.6
        )  # the last bits may swap neighbours
    loader = evaluation_loader(ShardSet.find(str(clips)), data, words, frames=4, size=(32, 32))
    in_training = {
        k: v for k, v in evaluate_model(net, loader, torch.device("cpu")).metrics.items() if "rerank" not in k
    }
    assert in_training == pytest.approx(
        {f"{w}.{n}": v for w, values in expected.items() for n, v in values.items()}, abs=0.6
    )

    assert result.reranked is not None
    ranks = []  # re-ranking the five best, by hand
    with torch.inference_mode():
        for i in range(14):
            best = logits[i].topk(5).indices
            n = torch.full((5,), i)
            match = net.match(text.tokens[n], text.mask[n], video.tokens[best], video.mask[best])
            order = best[net.rerank_score(logits[i][best], match).argsort(descending=True)].tolist()
            coarse = logits[i].argsort(descending=True).tolist()
            order += [j for j in coarse if j not in order]
            ranks.append(order.index(i) + 1)
    assert result.reranked["t2v"]["MnR"] == pytest.approx(np.mean(ranks), abs=0.6)
    assert result.reranked["t2v"]["R5"] == pytest.approx(100 * np.mean(np.array(ranks) <= 5))
    assert set(result.seconds) == {"encode", "similarity", "rerank"}


def test_the_weight_may_be_chosen(model: Path, clips: Path, tmp_path: Path) -> None:
    usual, dual = evaluate(config(model, clips)), evaluate(config(model, clips, weight=0.0, top_k=14))
    assert (usual.weight, dual.weight) == (0.5, 0.0)
    assert dual.reranked is not None
    assert dual.reranked["t2v"] == dual.coarse["t2v"]  # nothing but the dual encoder's score is left
    light = checkpoint(
        tmp_path / "light", interaction={"enabled": True, "depth": 1, "top_k": 5, "weight": 0.0}
    )
    assert evaluate(config(light, clips, weight=0.5)).reranked == usual.reranked
    for wrong in (1.5, float("nan"), -0.1):
        with pytest.raises(ConfigError, match="weight"):
            config(model, clips, weight=wrong)


def test_the_block_size_changes_nothing(model: Path, tmp_path: Path) -> None:
    settings = config(model, many_captions(tmp_path))
    embedder = Embedder(load_model(model), torch.device("cpu"), tokens=True)
    data = embed_loader(embedder, _loader(settings, embedder, ShardSet.find(settings.data.shards), ALONE))
    whole, parts = rank(embedder, data, top_k=3), rank(embedder, data, top_k=3, block_scores=7)
    assert (whole.coarse, whole.fine) == (parts.coarse, parts.fine)


def test_captions_and_repeated_videos(model: Path, tmp_path: Path) -> None:
    clips = many_captions(tmp_path)
    every = evaluate(config(model, clips))
    assert (every.videos, every.captions, every.repeated) == (6, 1 + 2 + 3 + 1 + 2 + 3 + 1, 1)
    first = evaluate(config(model, clips, captions="first"))
    assert (first.videos, first.captions) == (6, 6)


def test_clips_of_one_picture_whose_captions_name_their_motions_are_videos_of_their_own(
    model: Path, tmp_path: Path
) -> None:
    phrases = ("as the camera pans left", "as the camera pans right")
    motions = ("pan_left", "pan_right")
    told = []
    for i in range(6):
        said = {"phrase": phrases[i % 2], "motion": motions[i % 2]}
        told.append(shards_of.sample(i, captions=(f"a thing {i // 2}",), image_id=f"id{i // 2}", **said))
    shards_of.write_shard(tmp_path / "0.tar", told)
    result = evaluate(config(model, tmp_path))
    assert (result.videos, result.captions, result.repeated) == (6, 6, 0)
    data = {"shards": str(tmp_path), "workers": 0, "motion_phrases": False}
    silent = evaluate(config(model, tmp_path, data=data))
    assert (silent.videos, silent.captions, silent.repeated) == (3, 3, 3)


def test_the_command_prints_and_writes(
    model: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    output = tmp_path / "results" / "r.json"
    overrides = [
        f"checkpoint={model}",
        f"data.shards={clips}",
        "data.workers=0",
        "device=cpu",
        f"output={output}",
    ]
    assert main(["--config", str(ROOT / "configs/eval/msrvtt_1ka.yaml"), *overrides]) == 0
    printed = capsys.readouterr().out
    assert "14 videos, 14 captions" in printed
    assert printed.count("best 5 re-ranked") == 2
    result = json.loads(output.read_text())
    assert result["config"]["data"]["shards"] == str(clips)
    assert result["versions"]["torch"]
    assert f"{result['coarse']['t2v']['R1']:8.1f}" in printed
    assert main(["--config", str(ROOT / "configs/eval/msvd.yaml"), *overrides, "rerank=false"]) == 0
    assert json.loads(output.read_text())["reranked"] is None


@pytest.mark.parametrize("path", sorted((ROOT / "configs/eval").glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_configs_are_valid(path: Path) -> None:
    values = yaml.safe_load(path.read_text())
    EvaluateConfig.make({"checkpoint": "x", **values, "data": {"shards": "y", **values.get("data", {})}})
    assert "zoetrope evaluate --config configs/eval/" + path.name in path.read_text()


def test_what_cannot_be_measured_is_said(
    model: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    base = ["data.workers=0", "device=cpu", f"data.shards={clips}"]
    assert main([f"checkpoint={tmp_path / 'none'}", *base]) == 2
    assert str(tmp_path / "none") in capsys.readouterr().err
    plain = checkpoint(tmp_path / "plain", interaction=False)
    with pytest.raises(ConfigError, match="no interaction module"):
        evaluate(config(plain, clips, rerank=True))
    with pytest.raises(ConfigError, match="top_k = 3 has no effect"):
        evaluate(config(plain, clips, top_k=3))
    with pytest.raises(ConfigError, match=r"weight = 0\.3 has no effect"):
        evaluate(config(plain, clips, weight=0.3))
    assert evaluate(config(plain, clips)).reranked is None

    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "00000.tar").write_bytes((clips / "00000.tar").read_bytes()[:-9000])
    assert main([f"checkpoint={model}", "data.workers=0", "device=cpu", f"data.shards={cut}"]) == 1
    assert "00000.tar" in capsys.readouterr().err
    assert (
        main(
            [
                f"checkpoint={model}",
                "data.workers=0",
                "device=cpu",
                f"data.shards={cut}",
                "data.broken_shards=skip",
            ]
        )
        == 0
    )
    assert "left out 1" in capsys.readouterr().err


def test_a_diverged_model_is_an_error_that_names_a_video(
    model: Path, clips: Path, tmp_path: Path, capsys
) -> None:
    broken = spoil(checkpoint(tmp_path / "nan"), "clip.visual.proj")
    assert main([f"checkpoint={broken}", f"data.shards={clips}", "data.workers=0", "device=cpu"]) == 1
    error = capsys.readouterr().err
    assert "s000000" in error
    assert "not finite" in error


def test_a_diverged_interaction_module_is_an_error_that_names_a_pair(
    model, clips: Path, tmp_path: Path, capsys
) -> None:
    broken = spoil(checkpoint(tmp_path / "nan"), "interaction.norm.weight")
    arguments = [f"checkpoint={broken}", f"data.shards={clips}", "data.workers=0", "device=cpu"]
    assert main(arguments) == 1
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert "not finite (so for 70 of 70 pairs)" in error  # 14 captions, the best 5 of each
    assert "s0000" in error
    assert "square on" in error
    assert main([*arguments, "rerank=false"]) == 0


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("model.clip2video.CLIP2Video.to", "no room for the model; is it in use? Free it, or set device=cpu"),
        ("retrieval.embed.Embedder.videos", "lower data.batch_size (now 4)"),
        ("retrieval.reranking.match_scores", "set precision=bf16 or device=cpu"),
    ],
)
def test_out_of_memory_is_one_line_with_what_to_do(
    model, clips: Path, monkeypatch, capsys, where: str, says: str
) -> None:
    monkeypatch.setattr(f"trainer.{where}", full)
    arguments = [
        f"checkpoint={model}",
        f"data.shards={clips}",
        "data.workers=0",
        "data.batch_size=4",
        "device=cpu",
    ]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("zoetrope evaluate: out of memory: ")
    assert says in error
    assert error.endswith("torch says: CUDA out of memory. Tried to allocate 2.00 GiB.\n")


def test_videos_that_share_a_caption_are_all_right_for_it(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture
) -> None:
    """Three videos of one caption and one of another: two queries, and the shown table counts them."""
    said = ["a thing moves up", "a thing moves down", "a thing moves up", "a thing moves up"]
    samples = [shards_of.sample(i, "video", captions=(text,), image_id=f"{i}") for i, text in enumerate(said)]
    shards_of.write_shard(tmp_path / "00000.tar", samples)
    shared = evaluate(config(model, tmp_path, captions="shared"))
    assert (shared.videos, shared.captions, shared.reranked) == (4, 2, None)
    data = embedded(model, tmp_path)
    scores = (data.texts.vectors_NE @ data.videos.vectors_NE.T).numpy()
    up = [0, 2, 3]
    best_up = 1 + (scores[0] > scores[0][up].max()).sum()
    best_down = 1 + (scores[1] > scores[1][1]).sum()
    assert shared.coarse["t2v"]["MnR"] == pytest.approx((best_up + best_down) / 2)
    ranks = [1 + (scores[1 - (i == 1)][i] > scores[int(i == 1)][i]) for i in range(4)]
    assert shared.coarse["v2t"]["MnR"] == pytest.approx(np.mean(ranks))
    with pytest.raises(ConfigError, match="no effect with captions=shared"):
        evaluate(config(model, tmp_path, captions="shared", rerank=True))


def embedded(model: Path, clips: Path):
    embedder = Embedder(load_model(model), torch.device("cpu"))
    return embed_loader(embedder, _loader(config(model, clips), embedder, ShardSet.find(str(clips)), ALONE))
