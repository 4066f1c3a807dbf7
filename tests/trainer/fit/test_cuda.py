"""On a CUDA device (`make test-gpu`): the same bits again, what a CPU gives, and memory that runs out."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import make_shards as shards_of
import numpy as np
import pytest
import torch
from tiny_index import checkpoint
from tiny_run import MODEL, tiny_config

from storage.shards.read import iter_shard
from trainer.device.compiler import lacking_compiler
from trainer.device.errors import RunError
from trainer.fit.step import QueuedStep, TrainingStep
from trainer.fit.train import train
from trainer.index.build import index
from trainer.index.config import IndexSettings
from trainer.index.search import open_index
from trainer.index.store import read_info, read_parts
from trainer.retrieval.config import EvaluateConfig
from trainer.retrieval.evaluate import evaluate
from transforms.media.pictures import PictureLimits, decode
from zoetrope import cli

DEVICE = "cuda"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
os.environ.setdefault(
    "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
)  # some torch look once, at the first product of the process
CONFIGS = Path(__file__).parents[3] / "configs"
STEPS = 6


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shards_of.write_shards(tmp_path_factory.mktemp("stills"), 3, 8, captions=("one", "two", "three"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("checkpoint"))


def run(stills: Path, output: Path, **changes) -> list[float]:
    """The losses of a run in bf16, with evaluation and the interaction module: all that a run computes."""
    fixed = {
        "device": DEVICE,
        "precision": "bf16",
        "max_steps": STEPS,
        "save_every": 3,
        "eval_every": 3,
        "keep": 5,
    }
    model, data = (
        {**MODEL, "interaction": {"enabled": True, "depth": 1}},
        {"workers": 1, "eval_shards": str(stills)},
    )
    train(tiny_config(stills, output, **{**fixed, "model": model, "data": data, **changes}))
    records = map(json.loads, (output / "metrics.jsonl").read_text().splitlines())
    return [record["loss"] for record in records if "loss" in record]


def weights(folder: Path) -> bytes:
    return (folder / f"step_{STEPS:08d}" / "model.safetensors").read_bytes()


@pytest.mark.parametrize("accumulate", [1, 2])
def test_two_equal_runs_are_equal_bit_for_bit(stills: Path, tmp_path: Path, accumulate: int) -> None:
    assert run(stills, tmp_path / "a", accumulate=accumulate) == run(
        stills, tmp_path / "b", accumulate=accumulate
    )
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


def test_stopped_and_resumed_is_undisturbed_bit_for_bit(stills: Path, tmp_path: Path) -> None:
    whole = run(stills, tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b", symlinks=True)
    shutil.rmtree(tmp_path / "b" / f"step_{STEPS:08d}")
    assert run(stills, tmp_path / "b", resume=True) == whole
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


@pytest.mark.parametrize("accumulate", [1, 2])
def test_compiled_runs_are_equal_bit_for_bit_and_close_to_eager_ones(
    stills: Path, tmp_path: Path, accumulate: int
) -> None:
    if missing := lacking_compiler(torch.device(DEVICE)):
        pytest.skip(f"this machine has no {missing}")
    changes = {"compile": True, "accumulate": accumulate}
    compiled = run(stills, tmp_path / "a", **changes)
    assert run(stills, tmp_path / "b", **changes) == compiled
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    assert compiled == pytest.approx(run(stills, tmp_path / "c", accumulate=accumulate), rel=0.02)


def test_queueing_a_step_waits_for_nothing_on_the_device(stills: Path, tmp_path: Path, monkeypatch) -> None:
    """torch raises in this mode where the host would wait: `.item()`, copies from pageable memory."""
    queue, queued = TrainingStep.__call__, []

    def watched(self: TrainingStep, done: int, *arguments: Any) -> QueuedStep:
        if done:  # the first step allocates, and chooses kernels
            torch.cuda.set_sync_debug_mode("error")
        try:
            queued.append(done)
            return queue(self, done, *arguments)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(TrainingStep, "__call__", watched)
    run(stills, tmp_path / "run")
    assert queued == list(range(STEPS))


def test_index_and_search_are_close_to_a_cpus(model: Path, stills: Path, tmp_path: Path) -> None:
    vectors, hits = [], []
    for device in ("cpu", DEVICE):
        index(model, str(stills), tmp_path / device, IndexSettings(device=device))
        parts = read_parts(tmp_path / device, read_info(tmp_path / device))
        vectors.append(np.concatenate([part.vectors_NE for part in parts]))
        hits.append(open_index(tmp_path / device, device=device).search("one", top=5))
    np.testing.assert_allclose(vectors[0], vectors[1], atol=5e-3)
    np.testing.assert_allclose(*([hit.coarse for hit in of] for of in hits), atol=5e-3)


def test_evaluation_is_close_to_a_cpus(model: Path, stills: Path) -> None:
    data = {"shards": str(stills), "workers": 0}
    configs = [
        {"checkpoint": str(model), "data": data, "device": device, "precision": "fp32"}
        for device in ("cpu", DEVICE)
    ]
    mean_ranks = [evaluate(EvaluateConfig.make(values)).coarse["t2v"]["MnR"] for values in configs]
    assert mean_ranks[0] == pytest.approx(mean_ranks[1], abs=1)


def test_animate_is_a_cpus_to_one_grey_level(corpora: dict[str, list[str]], tmp_path: Path) -> None:
    made = []
    for device in ("cpu", DEVICE):
        out = [
            f"output={tmp_path / device}",
            f"device={device}",
            "encode.format=png",
            "workers=1",
            "clip.frames=4",
        ]
        assert (
            cli.main(
                ["animate", "--config", str(CONFIGS / "animate" / "folder.yaml"), *corpora["folder"], *out]
            )
            == 0
        )
        found = [
            sample for path in sorted((tmp_path / device).glob("*.tar")) for sample in iter_shard(str(path))
        ]
        made.append({sample.key: sample.members for sample in found})
    assert made[0].keys() == made[1].keys()
    for key, members in made[0].items():
        assert json.loads(made[1][key]["json"])["device"] == DEVICE
        for name in (name for name in members if name.endswith("png")):
            ours, theirs = (decode(of[key][name], PictureLimits()).image_HWC.astype(int) for of in made)
            assert np.abs(ours - theirs).max() <= 1


def test_memory_that_runs_out_is_one_line(stills: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(
        "trainer.fit.ahead.to_device", lambda *_: torch.empty(1 << 50, dtype=torch.uint8, device=DEVICE)
    )
    with pytest.raises(RunError, match=r"^out of memory at step 1 with 8 clips of 4 frames.*torch says: "):
        run(stills, tmp_path / "run")
