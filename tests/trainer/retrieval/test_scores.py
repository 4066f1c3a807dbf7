"""The list of metrics, and that everything else follows from it."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_run import tiny_values

from schemas.errors import ConfigError
from trainer.fit.config import TrainConfig
from trainer.logs.console import console_names
from trainer.retrieval import scores
from trainer.retrieval.evaluate import Evaluation
from trainer.retrieval.metrics import retrieval_metrics
from trainer.retrieval.scores import Metric, flat, full_names, is_better, summarise
from zoetrope.commands.model import evaluate as command
from zoetrope.commands.model.evaluate import table

SIMILARITY = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])


def test_known_ranks_give_known_numbers() -> None:
    ranks = np.array([1, 1, 2, 6, 20])
    assert summarise(ranks) == {"R1": 40.0, "R5": 60.0, "R10": 80.0, "MdR": 2.0, "MnR": 6.0}
    assert summarise(np.array([1, 2, 4, 8]))["MdR"] == 3.0
    assert summarise(np.array([1, 2, 4, 8]), lower_median=True)["MdR"] == 2.0


def test_recall_is_better_when_higher_and_a_rank_when_lower() -> None:
    assert is_better("t2v.R1", 2.0, 1.0)
    assert not is_better("t2v.R1", 1.0, 1.0)
    assert is_better("rerank.v2t.MdR", 1.0, 2.0)
    assert not is_better("rerank.v2t.MnR", 2.0, 1.0)


def test_full_names_have_direction_and_re_ranking() -> None:
    assert full_names()[:2] == ("t2v.R1", "t2v.R5")
    assert set(full_names(reranked=True)) - set(full_names()) == {f"rerank.{name}" for name in full_names()}
    assert flat({"t2v": {"R1": 1.0}}, {"v2t": {"R1": 2.0}}) == {"t2v.R1": 1.0, "rerank.v2t.R1": 2.0}


def test_a_new_metric_is_one_entry(monkeypatch, tmp_path) -> None:
    """The metric below is known to results, tables, the console, and the choice of the best checkpoint."""

    def worst(ranks: np.ndarray, lower_median: bool) -> float:
        return float(ranks.max())

    new = Metric("WoR", "worst", lower_is_better=True, of_ranks=worst, on_console=("v2t",))
    extended = (*scores.METRICS, new)
    for module in (scores, command):
        monkeypatch.setattr(module, "METRICS", extended)

    found = retrieval_metrics(SIMILARITY, [0, 1, 2])
    assert found["t2v"]["WoR"] == 2.0
    result = Evaluation(3, 3, 0, (), None, None, found, None, {})
    assert table(result).splitlines()[0].endswith("worst")
    assert table(result).splitlines()[1].endswith("     2.0")
    assert "v2t.WoR" in console_names()
    config = TrainConfig.make(tiny_values(tmp_path, tmp_path, best_metric="v2t.WoR"))
    assert config.chosen_by == "v2t.WoR"
    assert is_better("v2t.WoR", 1.0, 2.0)
    with pytest.raises(ConfigError, match=r"best_metric = 'v2t.Wor' must be one of .*v2t.WoR"):
        TrainConfig.make(tiny_values(tmp_path, tmp_path, best_metric="v2t.Wor"))
