"""Re-ranked places by hand: ties, and what the dual encoder left out. test_evaluate has whole evaluations."""

from __future__ import annotations

import numpy as np
import torch

from trainer.retrieval.reranking import _fine_ranks, _Groups, _top


def test_ties_take_the_mean_rank_and_items_outside_the_candidates_stay_behind_them() -> None:
    candidates = torch.tensor([[4, 2], [4, 2], [4, 2], [4, 2]])
    scores = torch.tensor([[0.1, 0.9], [0.5, 0.5], [0.9, 0.1], [0.9, 0.1]])
    own = torch.tensor([2, 2, 7, 7])  # 7 is no candidate; coarsely it ties with both in the third query
    coarse = np.array([2.0, 1.0, 2.0, 6.0])
    assert _fine_ranks(coarse, candidates, own, scores).tolist() == [1, 1.5, 3, 6]


def test_a_group_scores_as_its_best_caption_and_of_tied_captions_the_first_counts() -> None:
    groups = _Groups(np.array([1, 0, 1, 1, 0]), torch.device("cpu"))  # captions of videos 0 and 1
    scores = torch.tensor([[3.0, 1.0, 5.0, 5.0, 2.0], [9.0, 8.0, 1.0, 2.0, 8.0]])
    assert groups.best(scores).tolist() == [[2, 5], [8, 9]]
    best = _top(groups.best(scores), 2)
    assert best.rows_QK.tolist() == [[1, 0], [1, 0]]
    assert groups.best_caption(scores, best.rows_QK).tolist() == [[2, 4], [0, 1]]
