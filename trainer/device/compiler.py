"""Whether the encoders are compiled: `TrainConfig.compile` and the compilers of this machine.

torch.compile writes Triton kernels for a GPU and C++ for a CPU. Triton needs a C compiler for its launchers.
Both include Python's headers, which a system's Python has only with its development package.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from schemas.errors import ConfigError

HEADER = "Python.h"
C_COMPILERS, CPP_COMPILERS = ("gcc", "clang", "cc"), ("g++", "clang++", "c++")


@dataclass(frozen=True)
class Compiling:
    """The choice, and why."""

    enabled: bool
    reason: str = ""  # for the first lines of a run; empty if it was the config's own choice

    def describe(self) -> str:
        """Words for the first lines of a run."""
        text = "eager"
        if self.enabled:
            text = "compiled"
        if self.reason:
            text += f" ({self.reason})"
        return text


def choose_compiling(wanted: bool | Literal["auto"], device: torch.device) -> Compiling:
    """Resolve `compile`: "auto" compiles on a GPU whose compilers are there.

    Raises ConfigError for compile=true without them.
    """
    if wanted is False:
        return Compiling(False)
    lacking = lacking_compiler(device)
    if wanted is True:
        if lacking:
            raise ConfigError(
                f"compile=true, but this machine has no {lacking}; install it, or set compile=auto"
            )
        return Compiling(True)
    if device.type != "cuda":
        return Compiling(False, "compile=auto compiles on a GPU alone")
    if lacking:
        return Compiling(False, f"compile=auto: this machine has no {lacking}; with it a GPU trains faster")
    return Compiling(True, "compile=auto: the first step takes minutes")


def lacking_compiler(device: torch.device) -> str | None:
    """Return what torch.compile lacks here, or None."""
    on_gpu = device.type == "cuda"
    if on_gpu and importlib.util.find_spec("triton") is None:
        return "Triton (pip install triton)"
    if on_gpu and not _has("CC", C_COMPILERS):
        return "C compiler (gcc)"
    if not on_gpu and not _has("CXX", CPP_COMPILERS):
        return "C++ compiler (g++)"
    if not _has_headers():
        return f"{HEADER} (Python's development package, such as python3-dev)"
    return None


def compile_module(module: nn.Module, *, repeatable: bool) -> None:
    """Compile a module's forward in place, so that its parameters keep their names.

    `repeatable`: kernels are chosen by rule, not by timing, so that every run has the same bits. Shapes are
    those of the first batch; a size that differs in the next one becomes a symbol, at the price of one more
    compilation.
    """
    from torch._inductor import config as inductor

    options: dict[str, Any] = {}
    if repeatable and hasattr(inductor, "deterministic"):  # from torch 2.9 on
        options["deterministic"] = True
    module.compile(options=options or None)


def _has(variable: str, names: tuple[str, ...]) -> bool:
    if named := os.environ.get(variable):
        names = (named.split()[0],)
    return any(map(shutil.which, names))


def _has_headers() -> bool:
    """Look where torch's and Triton's compilers do: Debian's own scheme names another folder."""
    scheme = sysconfig.get_default_scheme()
    if scheme == "posix_local":
        scheme = "posix_prefix"
    return Path(sysconfig.get_paths(scheme=scheme)["include"], HEADER).exists()
