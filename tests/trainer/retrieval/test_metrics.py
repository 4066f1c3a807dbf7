"""Against what the official functions returned, a plain loop over ranks, and the stated rule for ties."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from trainer.retrieval.metrics import BlockwiseRetrieval, blockwise_metrics, retrieval_metrics
from trainer.retrieval.scores import summarise

CASES = json.loads((Path(__file__).parents[2] / "data" / "retrieval_metrics.json").read_text())
SINGLE = {case["name"]: case for case in CASES["single"]}
MULTI = {case["name"]: case for case in CASES["multi"]}


def same(got, official):
    named = {"R1": "R1", "R5": "R5", "R10": "R10", "MdR": "MedianR", "MnR": "MeanR"}
    for ours, theirs in named.items():
        assert got[ours] == pytest.approx(official[theirs], abs=1e-4), ours


def test_one_caption_a_video_equals_the_official_function():
    case = SINGLE["no_ties"]
    got = retrieval_metrics(case["sim_text_by_video"], list(range(case["n"])))
    same(got["t2v"], case["t2v"])
    same(got["v2t"], case["v2t"])


def test_several_captions_a_video_equal_the_official_functions():
    case = MULTI["no_ties"]
    got = retrieval_metrics(case["sim_text_by_video"], case["caption_to_video"])
    same(got["t2v"], case["t2v"])
    same(got["v2t"], case["v2t"])


def test_with_ties_the_result_lies_between_the_bounds():
    case = MULTI["few_ties"]
    got = retrieval_metrics(case["sim_text_by_video"], case["caption_to_video"])["t2v"]
    best, worst = (
        case["t2v_bounds_not_official"]["optimistic"],
        case["t2v_bounds_not_official"]["pessimistic"],
    )
    for name in ("R1", "R5", "R10"):
        assert worst[name] - 1e-9 <= got[name] <= best[name] + 1e-9
    assert got["MnR"] == pytest.approx((best["MeanR"] + worst["MeanR"]) / 2)


def test_a_tied_query_counts_once_at_the_mean_of_its_ranks():
    got = retrieval_metrics(np.ones((4, 4)), [0, 1, 2, 3])
    assert got["t2v"] == {"R1": 0.0, "R5": 100.0, "R10": 100.0, "MdR": 2.5, "MnR": 2.5}
    assert got["v2t"] == got["t2v"]


def naive_ranks(similarity, owners):
    t2v = [1 + sum(row > row[own]) for row, own in zip(similarity, owners, strict=True)]
    v2t = []
    for video in sorted(set(owners)):
        best = {
            v: max(similarity[t, video] for t in range(len(owners)) if owners[t] == v) for v in set(owners)
        }
        v2t.append(1 + sum(score > best[video] for score in best.values()))
    return np.array(t2v), np.array(v2t)


def test_captions_in_any_order_and_videos_without_captions():
    rng = np.random.default_rng(3)
    owners = rng.permutation(
        [0, 0, 0, 1, 1, 3, 4, 4, 6]
    )  # videos 2 and 5 have none: candidates, never queries
    similarity = rng.standard_normal((9, 7))
    t2v, v2t = naive_ranks(similarity, list(owners))
    got = retrieval_metrics(torch.tensor(similarity), owners)
    assert got["t2v"] == summarise(t2v, lower_median=True)
    assert got["v2t"] == summarise(v2t)


@pytest.mark.parametrize("block", [1, 50, 333, 10_000])
def test_blocks_give_the_whole_matrix_result(block):
    rng = np.random.default_rng(4)
    text, video = (
        rng.standard_normal((61, 8)).astype(np.float32),
        rng.standard_normal((23, 8)).astype(np.float32),
    )
    owners = rng.integers(0, 23, 61)
    asked = []

    def score(texts, videos):
        asked.append((texts.stop - texts.start) * (videos.stop - videos.start))
        return np.einsum("td,vd->tv", text[texts], video[videos])

    whole = retrieval_metrics(np.einsum("td,vd->tv", text, video), owners)
    assert blockwise_metrics(score, owners, 23, block_scores=block) == whole
    assert max(asked) <= max(block, 61)


def test_bfloat16_tensors_are_taken():
    similarity = torch.eye(5, dtype=torch.bfloat16)
    assert retrieval_metrics(similarity, range(5))["t2v"]["R1"] == 100.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_an_error_naming_it(bad):
    similarity = np.eye(6)
    similarity[4, 2] = bad
    with pytest.raises(ValueError, match="text 4 and video 2"):
        retrieval_metrics(similarity, range(6))
    with pytest.raises(ValueError, match="text 4 and video 2"):
        BlockwiseRetrieval(range(6), 6).add_videos(1, similarity[:, 1:4])


def test_wrong_shapes_and_owners_are_errors():
    with pytest.raises(ValueError, match=r"caption_to_video\[1\] = 3 is not one of the 3 videos"):
        retrieval_metrics(np.eye(3), [0, 3, 1])
    with pytest.raises(ValueError, match=r"shape \[3, 3\]"):
        retrieval_metrics(np.eye(3), [0, 1])
    with pytest.raises(ValueError, match="not empty"):
        retrieval_metrics(np.eye(3), [])
    with pytest.raises(ValueError, match=r"it must be \[texts, videos\]"):
        retrieval_metrics(np.ones(3), [0])
    partial = BlockwiseRetrieval([0, 1], 2)
    partial.add_texts(0, np.eye(2))
    with pytest.raises(ValueError, match="2 of 2 videos were never scored"):
        partial.metrics()
