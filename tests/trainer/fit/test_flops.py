"""Which GPU's peak a name stands for, and the hours that recipes give."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from benchmarks.hours import count
from storage.configs import load_config
from trainer.fit.config import TrainConfig
from trainer.fit.flops import MEASURED_MFU, peak_flops, peak_of, training_hours

RECIPES = Path(__file__).parents[3] / "configs" / "train"
HOURS = re.compile(
    r"# Hours +([\d.]+) h on (one|\d+) (\w+) \((\d+) GFLOP per sample.*\) at an MFU of ([\d.]+) %"
)
counted: dict[str, float] = {}


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H100 NVL", 835e12),
        ("NVIDIA H200", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L40", 181e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA B200", 2250e12),
        ("NVIDIA H20", None),
        ("NVIDIA GB200", None),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None),
        ("NVIDIA GeForce RTX 4090", None),
    ],
)
def test_peaks_by_whole_words(name: str, peak: float | None) -> None:
    assert peak_of(name) == peak


def test_no_peak_of_a_cpu_and_of_fp32(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA L4")
    assert peak_flops(torch.device("cpu"), "bf16") is None
    assert peak_flops(torch.device("cuda", 0), "bf16") == 121e12
    assert peak_flops(torch.device("cuda", 0), "fp32") is None


@pytest.mark.parametrize(
    "path", sorted(set(RECIPES.glob("*.yaml")) - {RECIPES / "debug.yaml"}), ids=lambda path: path.stem
)
def test_hours_of_a_recipe_follow_from_its_operations_and_the_measured_mfu(path: Path) -> None:
    config = load_config(TrainConfig, path, ["data.shards=clips/"])
    found = HOURS.search(path.read_text())
    assert found, "# Hours says: N h on COUNT GPU (N GFLOP per sample) at an MFU of N %"
    hours, gpus, gpu, gflop, mfu = found.groups()
    flops = count(config, counted)
    assert float(mfu) == pytest.approx(100 * MEASURED_MFU, abs=0.01)
    assert int(gflop) == round(flops / 1e9)
    expected = training_hours(config, flops, gpus=1 if gpus == "one" else int(gpus), gpu=gpu)
    assert float(hours) == pytest.approx(expected, abs=0.05)
