"""Triton's kernels against kornia, run by Triton's interpreter, and compiled for a GPU that is not here.

Both in processes of their own: Triton reads once whether to interpret, and it reports leaks where an
interpreter ends that has used it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.transforms.rendering.test_kornia import trajectory
from transforms.rendering.plan import plan_batch
from transforms.rendering.render import render_batch

pytest.importorskip("triton")
ROOT = Path(__file__).parents[3]
SHAPES = [(40, 40), (64, 50), (30, 63), (150, 104)]
SIZES = [(30, 26), (13, 12)]  # the smaller frames halve a picture before it is blurred
RENDER = """
import sys
import numpy as np
from tests.transforms.rendering import test_fused
from transforms.rendering import fused
from transforms.rendering.render import render_batch

fused.BLOCK = 1 << 14  # the interpreter is slow for each program
images, quads = test_fused.batch()
for number, size in enumerate(test_fused.SIZES):
    frames = render_batch(images, quads, size=size, renderer="triton")
    alone = render_batch(images[1:2], quads[1:2], size=size, renderer="triton")
    np.savez(f"{sys.argv[1]}/{number}.npz", *frames, *alone)
"""
COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from transforms.rendering.fused import _layers, _warp

layers = (_layers, ["*u8", "*i32", "*fp32", "*u8"], {"TAPS": 3, "BLOCK": 512})
for kernel, pointers, constants in (layers, (_warp, ["*u8", "*fp32", "*u8"], {"BLOCK": 512})):
    names = kernel.arg_names
    types = [*pointers, *["i32"] * (len(names) - len(pointers) - len(constants)), *["constexpr"] * len(constants)]
    try:
        source = ASTSource(kernel, dict(zip(names, types)), {(names.index(n),): v for n, v in constants.items()})
    except TypeError:  # Triton before 3.3 names them
        source = ASTSource(kernel, {n: t for n, t in zip(names, types) if n not in constants}, constants)
    hopper = GPUTarget("cuda", 90, 32)
    made = triton.compile(source, target=hopper, options={"enable_fp_fusion": False})
    assert made.asm["cubin"]
    print(kernel.__name__)
"""


def batch():
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in SHAPES]
    kinds = zip(("turn", "zoom", "tilt", "zoom"), (2, 2, 2, 1), strict=True)
    return images, [trajectory(kind, frames) for kind, frames in kinds]


def run(script, *arguments, interpret):
    environment = {
        **os.environ,
        "TRITON_INTERPRET": str(int(interpret)),
        "PYTHONPATH": os.pathsep.join((str(ROOT), f"{ROOT}/tests/support", *sys.path)),
    }
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory):
    """Frames by size: those of the batch, then those of its second picture alone."""
    folder = tmp_path_factory.mktemp("triton")
    run(RENDER, str(folder), interpret=True)
    return {size: list(np.load(folder / f"{n}.npz").values()) for n, size in enumerate(SIZES)}


@pytest.mark.parametrize("size", SIZES)
def test_frames_are_kornias_to_one_grey_level_and_nearly_all_to_the_bit(size, interpreted):
    images, quads = batch()
    kornia = render_batch(images, quads, size=size, renderer="kornia")
    for ours, theirs in zip(interpreted[size][:-1], kornia, strict=True):
        difference = np.abs(ours.astype(int) - theirs)
        assert ours.shape == theirs.shape
        assert difference.max() <= 1
        assert (difference > 0).mean() < 0.001


def test_the_batch_blurs_and_halves():
    images, quads = batch()
    plans = [plan_batch(quads, [image.shape[:2] for image in images], size)[0] for size in SIZES]
    assert all(plan.parts[0].radius > 0 for plan in plans)
    assert plans[1].parts[0].levels


@pytest.mark.parametrize("size", SIZES)
def test_frames_do_not_depend_on_the_batch(size, interpreted):
    np.testing.assert_array_equal(interpreted[size][1], interpreted[size][-1])


def test_the_kernels_compile_for_a_gpu_that_is_not_here():
    assert run(COMPILE, interpret=False).split() == ["_layers", "_warp"]


def test_without_a_gpu_triton_is_refused_in_one_line(monkeypatch):
    images, quads = batch()
    with pytest.raises(ValueError, match="renderer 'triton' needs a GPU; use device='cuda' or"):
        render_batch(images, quads, size=(8, 8), renderer="triton")
    monkeypatch.setitem(sys.modules, "transforms.rendering.fused", None)  # as where Triton is absent
    with pytest.raises(ValueError, match="Triton is not installed; use renderer='kornia'"):
        render_batch(images, quads, size=(8, 8), renderer="triton")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_frames_are_kornias_to_one_grey_level_and_the_same_every_time():
    images, quads = batch()
    kornia = render_batch(images, quads, size=(96, 96), device="cuda")
    once, again = (
        render_batch(images, quads, size=(96, 96), device="cuda", renderer="triton") for _ in range(2)
    )
    for ours, same, theirs in zip(once, again, kornia, strict=True):
        np.testing.assert_array_equal(ours, same)
        assert np.abs(ours.astype(int) - theirs).max() <= 1
