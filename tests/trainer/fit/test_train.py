"""A run from the command to its files."""

from __future__ import annotations

import json
import math
import multiprocessing
import threading
import time
from pathlib import Path

import make_shards as shards_of
import pytest
import torch
import yaml
from tiny_run import tiny_config, tiny_values

from storage.configs import load_config
from trainer.device.errors import RunError
from trainer.fit.checkpoint import find_last
from trainer.fit.config import TrainConfig
from trainer.fit.train import train
from trainer.model.io import load_model
from zoetrope import cli

ROOT = Path(__file__).parents[3]


def records(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shards_of.write_shards(tmp_path_factory.mktemp("stills"), 4, 8)


def command(tmp_path: Path, values: dict, *overrides: str) -> int:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    return cli.main(["train", "--config", str(path), *overrides])


def test_the_loss_falls_and_everything_is_written(stills: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = tiny_config(
        stills,
        run,
        max_steps=30,
        eval_every=15,
        save_every=10,
        data={"eval_shards": str(stills)},
        log={"tensorboard": True},
    )
    result = train(config)
    assert (result.step, result.samples, result.stopped_by) == (30, 240, None)
    steps = [record for record in records(run) if "loss" in record]
    assert [record["step"] for record in steps] == list(range(1, 31))
    first, last = steps[0], steps[-1]
    assert last["loss"] < 0.7 * first["loss"]
    assert first["negatives"] == 7
    assert last["epoch"] == pytest.approx(240 / 32)
    assert last["mfu"] is None  # no GPU of a known peak
    for name in (
        "samples_per_s",
        "data_wait",
        "prepare",
        "memory_gb",
        "grad_norm",
        "lr.clip",
        "lr.new",
        "logit_scale",
        "dropped",
    ):
        assert math.isfinite(last[name]), name
    evaluated = [record for record in records(run) if "t2v.R1" in record]
    assert [record["step"] for record in evaluated] == [15, 30]
    assert result.metrics["t2v.R1"] == evaluated[-1]["t2v.R1"]
    assert (run / "best").resolve().name in {"step_00000015", "step_00000030"}
    assert find_last(str(run)) == str(run / "step_00000030")
    assert list((run / "tensorboard").glob("events*"))
    assert load_config(TrainConfig, run / "config.yaml") == config
    assert load_model(run / "best").config == config.model


@pytest.mark.parametrize("store", ["frames", "mp4", "video"])
def test_every_store_trains(store: str, tmp_path: Path) -> None:
    folder = shards_of.write_shards(tmp_path / "shards", 1, 8, store)
    result = train(tiny_config(folder, tmp_path / "run", max_steps=2))
    assert result.loss is not None
    assert math.isfinite(result.loss)


def test_parts_bf16_compilation_switches_and_checkpointing_run(stills: Path, tmp_path: Path) -> None:
    plain = train(tiny_config(stills, tmp_path / "a", max_steps=3))
    parts = train(
        tiny_config(stills, tmp_path / "b", max_steps=3, accumulate=2, model={"grad_checkpointing": True})
    )
    low = train(tiny_config(stills, tmp_path / "c", max_steps=3, precision="bf16"))
    assert plain.loss is not None
    assert low.loss == pytest.approx(plain.loss, abs=0.1)
    assert parts.loss is not None
    assert math.isfinite(parts.loss)


def test_the_same_seed_is_the_same_run(stills: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        train(tiny_config(stills, tmp_path / name, max_steps=4))
    losses = [[record["loss"] for record in records(tmp_path / name)] for name in ("a", "b")]
    assert losses[0] == losses[1]
    train(tiny_config(stills, tmp_path / "c", max_steps=4, seed=1))
    assert [record["loss"] for record in records(tmp_path / "c")] != losses[0]


def test_the_interaction_module_trains_alone_on_a_frozen_dual_encoder(stills: Path, tmp_path: Path) -> None:
    train(tiny_config(stills, tmp_path / "dual", max_steps=2))
    interaction = {"interaction": {"enabled": True, "depth": 1}}
    config = tiny_config(
        stills,
        tmp_path / "match",
        max_steps=3,
        freeze="dual",
        init=str(tmp_path / "dual" / "last"),
        model=interaction,
    )
    result = train(config)
    before, after = load_model(tmp_path / "dual" / "last"), load_model(tmp_path / "match" / "last")
    for name, value in before.state_dict().items():
        assert torch.equal(after.state_dict()[name], value), name
    record = records(tmp_path / "match")[-1]
    assert record["loss"] == record["match"] == result.loss
    assert record["grad_norm"] > 0


def test_a_loss_that_is_not_finite_stops_and_names_the_samples(stills: Path, tmp_path: Path, capsys) -> None:
    values = tiny_values(stills, tmp_path / "run", max_steps=5)
    values["optim"] = {"lr_clip": 1.0, "lr_new": 1.0, "clip_norm": 1e30, "warmup": 0.0, "eps": 1e-12}
    train(tiny_config(stills, tmp_path / "good", max_steps=1))
    from safetensors.torch import load_file, save_file

    weights = load_file(tmp_path / "good" / "last" / "model.safetensors")
    weights["clip.visual.conv1.weight"][:] = 3e38  # finite, and its products are not
    save_file(weights, tmp_path / "good" / "last" / "model.safetensors")
    code = command(tmp_path, values, f"init={tmp_path}/good/last")
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert code == 1
    assert line.startswith("zoetrope train: step 1: the loss is nan")
    assert "samples whose features are not finite: s0000" in line
    with pytest.raises(RunError):
        train(TrainConfig.make({**values, "init": str(tmp_path / "good" / "last")}))
    assert find_last(str(tmp_path / "run")) is None


@pytest.mark.parametrize(
    ("where", "says"),
    [
        (
            "trainer.fit.ahead.to_device",
            r"out of memory at step 1 with 4 clips of 4 frames.*checkpointing=true, raise accumulate \(now 2;",
        ),
        (
            "trainer.fit.evaluation.evaluate_model",
            r"evaluation at step 1: out of memory; lower data.eval_batch_size \(now 8\)",
        ),
    ],
)
def test_out_of_memory_says_what_to_lower(
    stills: Path, tmp_path: Path, monkeypatch, where: str, says: str
) -> None:
    """There is no GPU to fill in a test, so the allocator's error is raised where it would be."""

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")

    monkeypatch.setattr(where, full)
    data = {"eval_shards": str(stills), "eval_batch_size": 8}
    config = tiny_config(stills, tmp_path / "run", max_steps=2, eval_every=1, accumulate=2, data=data)
    with pytest.raises(
        RunError, match=says + r".*torch says: CUDA out of memory. Tried to allocate 2.00 GiB.$"
    ):
        train(config)


def test_a_loader_process_that_dies_is_one_line(stills: Path, tmp_path: Path) -> None:
    def kill() -> None:
        while not (tmp_path / "run" / "metrics.jsonl").exists() or not multiprocessing.active_children():
            time.sleep(0.05)
        for worker in multiprocessing.active_children():
            worker.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(RunError, match=r"a loader process has died.*lower data.workers \(now 1\)"):
        train(tiny_config(stills, tmp_path / "run", max_steps=100_000, data={"workers": 1}))
    thread.join()


def test_dropped_samples_are_reported(tmp_path: Path, caplog) -> None:
    caplog.set_level("INFO")
    samples = [shards_of.sample(i) for i in range(10)]
    samples[3][1]["jpg"] = b"\xff\xd8 nothing"
    shards_of.write_shard(tmp_path / "shards" / "0.tar", samples)
    train(tiny_config(tmp_path / "shards", tmp_path / "run", max_steps=2))
    said = caplog.text
    assert "left out 1" in said
    assert "0.tar: s000003: " in said
    assert "an unknown number of samples (no manifest)" in said
    assert records(tmp_path / "run")[-1]["dropped"] >= 1


def test_an_evaluation_says_on_how_much_it_was_and_what_it_left_out(tmp_path: Path, caplog) -> None:
    caplog.set_level("INFO")
    train_on = shards_of.write_shards(tmp_path / "train", 2, 4)
    samples = [shards_of.sample(i) for i in range(8)]
    for index in (2, 7):
        samples[index][1]["jpg"] = b"nothing"
    (tmp_path / "test").mkdir()
    shards_of.write_shard(tmp_path / "test" / "0.tar", samples)
    data = {"eval_shards": str(tmp_path / "test")}
    train(tiny_config(train_on, tmp_path / "run", max_steps=1, data=data))
    said = caplog.text
    assert "evaluation left out 2 (so its numbers are not of the whole set)" in said
    assert "s000007" in said
    record = records(tmp_path / "run")[-1]
    assert (record["eval.videos"], record["eval.dropped"]) == (6, 2)


def test_best_of_a_run_on_a_frozen_dual_encoder_is_chosen_after_re_ranking(
    stills: Path, tmp_path: Path
) -> None:
    train(tiny_config(stills, tmp_path / "dual", max_steps=1))
    train(
        tiny_config(
            *(stills, tmp_path / "match"),
            **{"max_steps": 4, "eval_every": 1, "freeze": "dual", "init": str(tmp_path / "dual" / "last")},
            model={"interaction": {"enabled": True, "depth": 1, "weight": 1.0}},
            data={"eval_shards": str(stills)},
            optim={"lr_new": 0.03, "warmup": 0.0},
            best_metric="rerank.t2v.MnR",
        )
    )
    measured = [r for r in records(tmp_path / "match") if "t2v.MnR" in r]
    assert len({r["t2v.MnR"] for r in measured}) == 1  # frozen
    fine = [r["rerank.t2v.MnR"] for r in measured]
    assert len(set(fine)) > 1
    best = json.loads((tmp_path / "match" / "best" / "metrics.json").read_text())
    assert best["rerank.t2v.MnR"] == min(fine)


def test_usage_errors_are_one_line_and_exit_2(stills: Path, tmp_path: Path, capsys) -> None:
    values = tiny_values(stills, tmp_path / "run")
    for override, message in (
        (
            "global_batch_sise=8",
            "unknown field global_batch_sise; the nearest known field is global_batch_size",
        ),
        (
            "accumulate=3",
            "global_batch_size = 8 is not a multiple of 1 ranks x accumulate = 3; the nearest that is: 9",
        ),
        ("device=cuda", "no CUDA device")
        if not torch.cuda.is_available()
        else ("accumulate=0", "must be >= 1"),
        ("log.wandb=p", "wandb is not installed"),
        (f"data.shards={tmp_path}/none/*.tar", "nothing matches"),
        (f"data.eval_shards={tmp_path}/none", "nothing matches"),
        (f"init={tmp_path}/none", "there is no model.safetensors"),
    ):
        assert command(tmp_path, values, override) == 2, override
        lines = capsys.readouterr().err.strip().splitlines()
        assert message in lines[-1], override
        assert lines[-1].startswith("zoetrope train: ")


def test_a_second_run_in_the_same_output_is_refused(stills: Path, tmp_path: Path, capsys) -> None:
    values = tiny_values(stills, tmp_path / "run", max_steps=1)
    assert command(tmp_path, values) == 0
    assert command(tmp_path, values) == 2
    assert "set resume=true to continue it, or another output" in capsys.readouterr().err


def test_help_lists_the_fields(capsys) -> None:
    assert cli.main(["train", "--help-all"]) == 0
    shown = capsys.readouterr().out
    for name in (
        "global_batch_size",
        "max_samples",
        "data.shards",
        "optim.lr_clip",
        "model.interaction.enabled",
    ):
        assert f"  {name}  (" in shown


@pytest.mark.parametrize(
    "path", sorted((ROOT / "configs" / "train").glob("*.yaml")), ids=lambda path: path.stem
)
def test_recipes_are_valid_and_say_what_they_are(path: Path) -> None:
    config = load_config(TrainConfig, path, ["data.shards=clips/"])
    assert config.output.startswith("runs/")
    head = path.read_text().split("\n\n")[0]
    for word in ("What", "Command", "Hardware", "Expect"):
        assert f"# {word}" in head, word


@pytest.mark.parametrize(
    ("name", "gpus"), [("pretrain", 8), ("pretrain_cc3m", 8), ("pretrain_cc12m", 8), ("pretrain_coco", 1)]
)
def test_pretraining_recipes_fit_the_gpus_that_they_name(name: str, gpus: int) -> None:
    """ViT-B/32 in bf16 keeps 0.265 GB of activations a clip of 12 frames; weights, moments and gradients are
    3 GB.
    """
    config = load_config(TrainConfig, ROOT / "configs" / "train" / f"{name}.yaml", ["data.shards=clips/"])
    assert (config.model.clip, config.model.max_frames, config.precision) == (
        "ViT-B-32-quickgelu",
        12,
        "bf16",
    )
    at_a_time = config.global_batch_size // gpus // config.accumulate
    assert 0.265 * at_a_time + 3 < 0.85 * 48
