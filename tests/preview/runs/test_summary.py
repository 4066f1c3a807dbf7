"""Best values know which way is better, and only settings that differ are listed."""

from __future__ import annotations

import numpy as np

from preview.runs.read import Run
from preview.runs.series import Series
from preview.runs.summary import UNKNOWN, Best, best_metrics, differences


def run(name: str, config: dict | None = None, **series: list[float]) -> Run:
    found = {
        label.replace("__", "/").replace("_", "."): Series(np.arange(1, len(v) + 1) * 10, np.array(v))
        for label, v in series.items()
    }
    return Run(name, found, config or {}, 30, 30, 0.0, ())


def test_the_best_is_high_for_recall_and_low_for_ranks_and_losses() -> None:
    same = {"data.eval_shards": "val/"}
    runs = [
        run("a", same, t2v_R1=[1.0, 5.0, 4.0], t2v_MdR=[9.0, 3.0, 4.0], loss=[3.0, 1.0, 2.0], samples=[1.0]),
        run(
            "b",
            same,
            t2v_R1=[1.0, 2.0, 6.0],
            t2v_MdR=[9.0, 8.0, 7.0],
            loss=[3.0, 2.0, 1.5],
            msvd__t2v_R1=[7.0],
        ),
    ]
    rows = {row.name: row.cells for row in best_metrics(runs)}
    assert list(rows) == ["t2v.R1", "t2v.MdR", "msvd/t2v.R1", "loss"]
    assert rows["t2v.R1"] == (Best(5.0, 20), Best(6.0, 30, 2))
    assert rows["t2v.MdR"] == (Best(3.0, 20, 2), Best(7.0, 30))
    assert rows["loss"] == (Best(1.0, 20, 2), Best(1.5, 30))
    assert rows["msvd/t2v.R1"] == (None, Best(7.0, 10))


def test_stages_have_no_common_best_and_each_group_has_its_own() -> None:
    pretrain, tune = {"data.shards": "clips/"}, {"data.shards": "msrvtt/"}
    runs = [
        run("pretrain", pretrain, loss=[2.0]),
        run("tune-a", {**tune, "seed": 0}, loss=[0.5]),
        run("tune-b", {**tune, "seed": 1}, loss=[0.4]),
        run("unknown", loss=[0.1]),
        run("unknown too", loss=[0.2]),
    ]
    (row,) = best_metrics(runs)
    assert [cell.best_of for cell in row.cells if cell is not None] == [0, 0, 2, 0, 0]


def test_a_single_run_is_the_best_of_nothing() -> None:
    (row,) = best_metrics([run("a", {"seed": 0}, t2v_R1=[1.0, 5.0])])
    assert row.cells == (Best(5.0, 20),)


def test_settings_that_differ_are_listed_with_what_a_run_does_not_have() -> None:
    runs = [
        run("a", {"seed": 0, "output": "a", "optim.lr_new": 1e-4, "data.mix": [{"shards": "x" * 200}]}),
        run("b", {"seed": 0, "output": "b", "optim.lr_new": 1e-3, "init": "runs/a"}),
    ]
    rows = {row.name: row.cells for row in differences(runs)}
    assert list(rows) == ["optim.lr_new", "data.mix", "init"]
    assert rows["optim.lr_new"] == ("0.0001", "0.001")
    assert rows["init"] == (UNKNOWN, "runs/a")
    assert len(rows["data.mix"][0]) == 100
    assert differences(runs[:1]) == []
