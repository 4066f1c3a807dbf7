"""Evaluations in a run: before its first step, on several named sets, and the best by one of them."""

from __future__ import annotations

import json
from pathlib import Path

import make_shards as shards_of
import pytest
from tiny_run import tiny_config

from schemas.errors import ConfigError
from trainer.device.errors import RunError
from trainer.fit.train import train


def records(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shards_of.write_shards(tmp_path_factory.mktemp("stills"), 2, 8)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    made = [shards_of.sample(i, "video", captions=(f"one {i}", f"two {i}")) for i in range(5)]
    shards_of.write_shard(folder / "0.tar", made)
    return folder


def test_a_new_run_is_measured_before_its_first_step_and_a_resumed_one_is_not(
    stills: Path, tmp_path: Path
) -> None:
    run, changes = tmp_path / "run", {"max_steps": 2, "eval_every": 2, "data": {"eval_shards": str(stills)}}
    train(tiny_config(stills, run, **changes, evaluate={"before": True}))
    assert [record["step"] for record in records(run) if "t2v.R1" in record] == [0, 2]
    best = (run / "best").resolve().name
    assert best == "step_00000002"  # chosen among checkpoints: there is none of step 0
    train(tiny_config(stills, run, **changes, evaluate={"before": True}, resume=True))
    assert [record["step"] for record in records(run) if "t2v.R1" in record] == [0, 2]
    untrained = [record for record in records(run) if record["step"] == 0]
    off = tmp_path / "off"
    train(tiny_config(stills, off, **changes, evaluate={"before": False}))
    assert [record["step"] for record in records(off) if "t2v.R1" in record] == [2]
    losses = [[r["loss"] for r in records(of) if "loss" in r] for of in (run, off)]
    assert losses[0] == losses[1]  # measuring moves no weight
    assert untrained[0]["eval.videos"] == 16


def test_sets_have_metrics_of_their_own_and_one_of_them_chooses_the_best(
    stills: Path, videos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    sets = {
        "stills": {"shards": str(stills)},
        "videos": {"shards": str(videos), "captions": "first", "querybank": str(stills)},
    }
    run = tmp_path / "run"
    config = tiny_config(
        stills,
        run,
        max_steps=4,
        eval_every=1,
        data={"eval_shards": str(videos)},
        evaluate={"sets": sets, "dual_softmax": True},
        best_metric="videos/v2t.MnR",
    )
    result = train(config)
    last = [record for record in records(run) if "t2v.R1" in record][-1]
    assert (last["eval.captions"], last["videos/eval.captions"], last["stills/eval.captions"]) == (10, 5, 16)
    assert {name for name in last if "qb_norm" in name and name.endswith("R1")} == {"videos/qb_norm.t2v.R1"}
    assert last["stills/dual_softmax.t2v.MnR"] > 0
    assert result.metrics["stills/t2v.R1"] == last["stills/t2v.R1"]
    values = [record["videos/v2t.MnR"] for record in records(run) if "t2v.R1" in record]
    assert (run / "best").resolve().name == f"step_{values.index(min(values)) + 1:08d}"
    shown = [line for line in caplog.messages if line.startswith("step 4/4  videos  ")]
    assert len(shown) == 1
    assert "t2v.R1" in shown[0]


def test_the_first_set_chooses_the_best_if_nothing_else_is_said(videos: Path, tmp_path: Path) -> None:
    sets = {"a": {"shards": str(videos)}, "b": {"shards": str(videos)}}
    assert tiny_config(videos, tmp_path, evaluate={"sets": sets}).chosen_by == "a/t2v.R1"
    both = tiny_config(videos, tmp_path, evaluate={"sets": sets}, data={"eval_shards": str(videos)})
    assert both.chosen_by == "t2v.R1"
    fine = {"interaction": {"enabled": True}}
    assert tiny_config(videos, tmp_path, evaluate={"sets": sets}, model=fine).chosen_by == "a/rerank.t2v.R1"


def test_the_best_may_be_chosen_by_what_the_model_sees_of_motion(tmp_path: Path) -> None:
    motions = {"pan_left": "as the camera pans left", "zoom_in": "as the camera zooms in"}
    made = [
        shards_of.sample(i // 2, key=f"k{i}", image_id=str(i // 2), motion=motion, phrase=phrase)
        for i, (motion, phrase) in enumerate(list(motions.items()) * 4)
    ]
    shards_of.write_shard(tmp_path / "told" / "0.tar", made)
    changes = {"max_steps": 1, "best_metric": "motion.accuracy"}
    told = {"eval_shards": str(tmp_path / "told")}
    result = train(tiny_config(tmp_path / "told", tmp_path / "a", data=told, **changes))
    assert result.metrics["motion.queries"] == 8
    silent = {"eval_shards": str(tmp_path / "told"), "eval_motion_phrases": False}
    with pytest.raises(
        RunError, match=r"step 1: motion.accuracy, which `best` is chosen by, was not.*: t2v.R1, v2t.R1"
    ):
        train(tiny_config(tmp_path / "told", tmp_path / "b", data=silent, **changes))


def test_an_error_names_the_set(stills: Path, tmp_path: Path) -> None:
    key, members = shards_of.sample(0)
    shards_of.write_shard(tmp_path / "bad" / "0.tar", [(key, {**members, "jpg": b"nothing"})])
    sets = {"bad": {"shards": str(tmp_path / "bad")}}
    with pytest.raises(RunError, match=r"evaluation at step 1 on bad: nothing to evaluate on"):
        train(tiny_config(stills, tmp_path / "run", max_steps=1, evaluate={"sets": sets}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluate": {"sets": {"a/b": {"shards": "x"}}}}, "'a/b' is no name of a set"),
        ({"evaluate": {"sets": {"a": {}}}}, r"evaluate.sets.a.shards is required"),
        ({"evaluate": {"backwards": True}}, "evaluate.backwards has no effect without data.eval_shards"),
        (
            {"evaluate": {"sets": {"a": {"shards": "x", "captions": "shared", "querybank": "y"}}}},
            "querybank has no effect with captions=shared",
        ),
        (
            {"evaluate": {"querybank_captions": 3}},
            "has no effect without a set with a querybank; leave it out",
        ),
        ({"best_metric": "a/t2v.R1"}, r"'a' is no set of evaluate.sets \(there are none\)"),
        (
            {"best_metric": "t2v.R1", "evaluate": {"sets": {"a": {"shards": "x"}}}},
            "needs data.eval_shards, or a set: a/t2v.R1",
        ),
        ({"best_metric": "dual_softmax.t2v.R1"}, "must be one of t2v.R1"),
        ({"best_metric": "backwards.preferred"}, "must be one of t2v.R1"),
    ],
)
def test_mistakes_of_the_config_are_one_line(changes: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        tiny_config(tmp_path, tmp_path, **changes)
