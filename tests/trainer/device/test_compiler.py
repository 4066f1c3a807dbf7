"""Which machines compile, and what they are told."""

from __future__ import annotations

import copy
import importlib.util

import pytest
import torch

from schemas.errors import ConfigError
from trainer.device import compiler
from trainer.device.compiler import Compiling, choose_compiling, compile_module, lacking_compiler
from trainer.model.transformer import FeedForward

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


def machine(monkeypatch: pytest.MonkeyPatch, *tools: str, triton: bool = True) -> None:
    """Have only these compilers, and Triton or not."""
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(compiler.shutil, "which", lambda name: name if name in tools else None)
    spec = importlib.util.find_spec("json")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec if triton else None)


def test_auto_compiles_on_a_gpu_with_its_compilers_alone(monkeypatch) -> None:
    machine(monkeypatch, "gcc", "g++")
    assert choose_compiling("auto", CUDA).enabled
    assert choose_compiling("auto", CUDA).describe().startswith("compiled (compile=auto")
    assert choose_compiling("auto", CPU).describe() == "eager (compile=auto compiles on a GPU alone)"
    machine(monkeypatch)
    assert "no C compiler (gcc)" in choose_compiling("auto", CUDA).describe()
    machine(monkeypatch, "gcc", triton=False)
    assert "no Triton" in choose_compiling("auto", CUDA).describe()


def test_true_compiles_or_says_what_is_missing(monkeypatch) -> None:
    machine(monkeypatch, "gcc", "g++")
    assert choose_compiling(True, CPU) == choose_compiling(True, CUDA) == Compiling(True)
    assert choose_compiling(False, CUDA).describe() == "eager"
    machine(monkeypatch)
    with pytest.raises(
        ConfigError, match=r"^compile=true, but this machine has no C\+\+ compiler \(g\+\+\);"
    ):
        choose_compiling(True, CPU)
    with pytest.raises(ConfigError, match=r"install it, or set compile=auto$"):
        choose_compiling(True, CUDA)


def test_without_pythons_headers_nothing_is_compiled(monkeypatch, tmp_path) -> None:
    """Triton's launchers include them, and a run would end at its first step."""
    machine(monkeypatch, "gcc", "g++")
    monkeypatch.setattr(compiler.sysconfig, "get_paths", lambda **_: {"include": str(tmp_path)})
    assert (
        choose_compiling("auto", CUDA)
        .describe()
        .startswith("eager (compile=auto: this machine has no Python.h")
    )
    with pytest.raises(
        ConfigError, match=r"^compile=true, but this machine has no Python.h \(.*python3-dev\);"
    ):
        choose_compiling(True, CPU)
    (tmp_path / "Python.h").touch()
    assert choose_compiling("auto", CUDA).enabled


def test_a_compiler_named_in_the_environment_counts(monkeypatch) -> None:
    machine(monkeypatch, "ccache")
    monkeypatch.setenv("CC", "ccache gcc")
    assert lacking_compiler(CUDA) is None
    monkeypatch.setenv("CC", "absent")
    assert lacking_compiler(CUDA) == "C compiler (gcc)"


@pytest.mark.skipif(lacking_compiler(CPU) is not None, reason=f"this machine has no {lacking_compiler(CPU)}")
def test_what_the_compiler_makes_computes_what_eager_layers_do() -> None:
    torch.manual_seed(0)
    eager = FeedForward(16)
    compiled = copy.deepcopy(eager)
    compile_module(compiled, repeatable=True)
    x = torch.randn(2, 3, 16)
    for module in (eager, compiled):
        module(x).square().sum().backward()
    torch.testing.assert_close(compiled(x), eager(x), atol=1e-6, rtol=1e-5)
    for (name, ours), (its_name, theirs) in zip(
        compiled.named_parameters(), eager.named_parameters(), strict=True
    ):
        assert name == its_name
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-5, rtol=1e-5)
