"""Ranks of queries that have several right answers."""

import numpy as np
import pytest

from trainer.retrieval.shared import best_ranks

OWN = np.array([[True, False, True], [False, True, False]])


def test_the_best_of_the_right_answers_counts() -> None:
    scores = np.array([[0.1, 0.5, 0.9], [0.9, 0.5, 0.1]])
    assert best_ranks(scores, OWN).tolist() == [1.0, 2.0]


def test_ties_take_the_mean_rank_and_right_answers_do_not_tie_with_each_other() -> None:
    assert best_ranks(np.full((2, 3), 0.3), OWN).tolist() == [1.5, 2.0]


def test_a_query_without_answers_has_no_rank_and_a_broken_score_is_an_error() -> None:
    assert np.isnan(best_ranks(np.ones((1, 2)), np.zeros((1, 2), bool))).all()
    with pytest.raises(ValueError, match="not finite"):
        best_ranks(np.array([[np.nan, 1.0, 1.0]] * 2), OWN)
