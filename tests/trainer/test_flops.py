"""What a GPU could do, by its name."""

from __future__ import annotations

import pytest
import torch

from trainer.flops import peak_flops, peak_of


@pytest.mark.parametrize(
    ("name", "teraflops"),
    [
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 NVL", 835),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H200", 989),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA L4", 121),
        ("NVIDIA L40", 181),
        ("NVIDIA L40S", 362),
    ],
)
def test_cards_are_told_apart(name: str, teraflops: int) -> None:
    assert peak_of(name) == teraflops * 1e12


@pytest.mark.parametrize(
    "name", ["NVIDIA H100 80GB HBM3 MIG 1g.10gb", "NVIDIA A10G", "NVIDIA GeForce RTX 4090", "NVIDIA H20", ""]
)
def test_what_is_not_known_has_no_peak(name: str) -> None:
    assert peak_of(name) is None


def test_the_peak_is_bfloat16s() -> None:
    assert peak_flops(torch.device("cuda", 0), "fp32") is None
    assert peak_flops(torch.device("cpu"), "bf16") is None
