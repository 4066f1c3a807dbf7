"""Killed and resumed, a run goes on as if nothing had been."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import make_shards as shards_of
import pytest
import torch
import yaml
from safetensors.torch import load_file
from tiny_run import tiny_config, tiny_values
from warm import Command

from schemas.errors import ConfigError
from trainer.device.ranks import Ranks
from trainer.fit.checkpoint import RankState, RunState, find_last
from trainer.fit.config import TrainConfig
from trainer.fit.resume import loader_state
from trainer.fit.train import train

STEPS = 24


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shards_of.write_shards(tmp_path_factory.mktemp("stills"), 3, 7, captions=("one", "two", "three"))


def settings(stills: Path, run: Path, **changes) -> dict:
    interaction = {"interaction": {"enabled": True, "depth": 1}}
    fixed = {"max_steps": STEPS, "save_every": 5, "data": {"workers": 2}, "model": interaction}
    return tiny_values(stills, run, **{**fixed, **changes})


def start(folder: Path, values: dict) -> Command:
    """The command in a process of its own."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    return Command(["train", "--config", str(path)], folder / "stderr.txt")


def losses(run: Path) -> dict[int, float]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return {record["step"]: record["loss"] for record in map(json.loads, lines)}


def wait_for_step(run: Path, step: int, process: Command) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.returncode is None:
        log = run / "metrics.jsonl"
        if log.exists() and len(log.read_text().splitlines()) >= step:
            return
        time.sleep(0.01)
    raise AssertionError(f"step {step} was not reached; the run said: {process.communicate()}")


@pytest.fixture(scope="module")
def undisturbed(stills: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, float]:
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    train(TrainConfig.make(settings(stills, run)))
    return losses(run)


def test_killed_and_resumed_the_losses_are_those_of_an_undisturbed_run(
    stills: Path, tmp_path: Path, undisturbed: dict[int, float]
) -> None:
    run = tmp_path / "run"
    process = start(tmp_path, settings(stills, run))
    wait_for_step(run, 7, process)
    process.kill()
    process.communicate()
    stopped_at = find_last(str(run))
    assert stopped_at is not None
    assert not stopped_at.endswith(f"step_{STEPS:08d}")
    train(TrainConfig.make(settings(stills, run, resume=True)))
    after = losses(run)
    assert sorted(after) == list(
        range(1, STEPS + 1)
    )  # each step once, though some were logged before the kill
    assert after == undisturbed  # every one, and so at least the next eight


def test_killed_and_resumed_a_mix_takes_the_same_samples_to_the_same_weights(
    stills: Path, tmp_path: Path
) -> None:
    videos = shards_of.write_shards(tmp_path / "videos", 2, 5, "video")
    mix = [{"shards": str(stills), "weight": 3}, {"shards": str(videos), "captions": "first"}]
    changes = {
        "data": {"shards": None, "mix": mix, "workers": 2},
        "save_every": 4,
        "max_steps": 14,
        "model": {},
    }
    whole, run = tmp_path / "whole", tmp_path / "run"
    train(TrainConfig.make(settings(stills, whole, **changes)))
    process = start(tmp_path, settings(stills, run, **changes))
    wait_for_step(run, 6, process)
    process.kill()
    process.communicate()
    stopped_at = find_last(str(run))
    assert stopped_at is not None
    assert not stopped_at.endswith("step_00000014")
    train(TrainConfig.make(settings(stills, run, resume=True, **changes)))
    assert losses(run) == losses(whole)
    for name, weight in load_file(whole / "last" / "model.safetensors").items():
        assert torch.equal(weight, load_file(run / "last" / "model.safetensors")[name]), name


def test_a_polite_end_saves_what_was_done(
    stills: Path, tmp_path: Path, undisturbed: dict[int, float]
) -> None:
    run = tmp_path / "run"
    process = start(tmp_path, settings(stills, run, save_every=1000))
    wait_for_step(run, 3, process)
    os.killpg(process.pid, signal.SIGTERM)  # as schedulers do: to the loader's workers too
    said = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM, said
    done = max(losses(run))
    assert f"stopped by SIGTERM after step {done}; resume=true continues from there" in said
    assert find_last(str(run)) == str(run / f"step_{done:08d}")
    train(TrainConfig.make(settings(stills, run, save_every=1000, resume=True)))
    assert losses(run) == undisturbed


def test_who_asks_to_stop_does_not_wait_for_an_evaluation_and_the_resumed_run_makes_it(
    stills: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    data = {"workers": 2, "eval_shards": str(stills)}
    changes = {"save_every": 1000, "eval_every": 1, "max_steps": 9, "data": data}
    process = start(tmp_path, settings(stills, run, **changes))
    wait_for_step(run, 4, process)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    stopped_at = Path(str(find_last(str(run))))
    assert json.loads((stopped_at / "state" / "run.json").read_text())["owed"]
    assert not any("t2v" in name for name in json.loads((stopped_at / "metrics.json").read_text()))
    train(TrainConfig.make(settings(stills, run, resume=True, **changes)))
    records = list(map(json.loads, (run / "metrics.jsonl").read_text().splitlines()))
    assert [r["step"] for r in records if "rerank.t2v.R1" in r] == list(range(1, 10))
    assert {r["eval.videos"] for r in records if "t2v.R1" in r} == {21}


def test_resume_refuses_another_run(stills: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(tiny_config(stills, run, max_steps=2))
    with pytest.raises(ConfigError, match=r"resume: global_batch_size was 8 in step_00000002 and is 4"):
        train(tiny_config(stills, run, max_steps=2, global_batch_size=4, resume=True))
    with pytest.raises(ConfigError, match="resume: max_steps was 2"):
        train(tiny_config(stills, run, max_steps=3, resume=True))


def test_resuming_what_is_done_does_nothing_and_without_a_checkpoint_it_starts(
    stills: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    first = train(tiny_config(stills, run, max_steps=2, resume=True))
    before = (run / "metrics.jsonl").read_bytes()
    again = train(tiny_config(stills, run, max_steps=2, resume=True, keep=5, log={"every": 3}))
    assert (first.step, again.step, again.loss) == (2, 2, None)
    assert (run / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    "loader",
    [{}, {"batches": "x", "cursors": [], "made_for": {}}, {"batches": 1, "cursors": 5, "made_for": {}},
     {"batches": 1, "cursors": [{"odd": 1}], "made_for": {}}, {"batches": 1, "cursors": [[5]], "made_for": {}}],
)  # fmt: skip
def test_a_damaged_state_of_the_loader_is_one_line(loader: dict) -> None:
    state = RunState(7, [RankState(loader, {})], None)
    with pytest.raises(
        ConfigError, match=r"resume: the loader's state of rank 0 in state/run.json is damaged"
    ):
        loader_state(state, Ranks(0, 1, torch.device("cpu")))
