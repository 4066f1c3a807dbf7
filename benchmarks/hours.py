"""Rewrite the hours in the recipes of training from the MFU that `benchmarks.training` measured.

    python -m benchmarks.hours                  # from benchmarks/results/training.json
    python -m benchmarks.hours --mfu 0.352 --gpu "NVIDIA H100 80GB HBM3"
    python -m benchmarks.hours --recount        # the operations of a sample alone; the MFU stays

The MFU is that of ViT-B/32 and clips of 12 frames at the recipes' batch, compiled and deterministic, as the recipes
train. It goes into `trainer/fit/flops.py`; each recipe in configs/train gets the operations of its sample,
counted on fake tensors, and the hours that follow. Counting takes about a minute.
"""

from __future__ import annotations

import argparse
import json
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

from torch._subclasses.fake_tensor import FakeTensorMode

from benchmarks.harness import ROOT
from storage.configs import load_config
from trainer.fit.config import TrainConfig
from trainer.fit.flops import MEASURED_MFU, flops_per_sample, training_hours
from trainer.model.clip2video import CLIP2Video
from trainer.optimise.optim import freeze

MEASURED = "ViT-B-32-quickgelu compiled"
RESULT = "benchmarks/results/training.json"
CONSTANT = re.compile(r"(?:^#[^\n]*\n)*^MEASURED_MFU = [\d.]+\n", re.MULTILINE)
HOURS = re.compile(
    r"^[\d.]+ h on (?P<gpus>one|\d+) (?P<gpu>\w+) \(\d+ GFLOP per sample(?P<more>[^)]*)\) at an MFU of [\d.]+ %,"
    r"(?P<how> .*?\((?:trainer/fit/flops\.py|benchmarks/results/training\.json)\))"
)
FIELD, WIDTH, CODE_WIDTH = "# Hours     ", 120, 110


def measured(path: Path) -> tuple[float, str]:
    """Return the MFU and the name of the GPU. Raises ValueError if the result has none."""
    if not path.exists():
        raise ValueError(f"{path} is not there")
    result = json.loads(path.read_text())
    runs = result["models"].get(MEASURED, {}).get("training", [])
    found = next((run["mfu"] for run in runs if run.get("mfu") and not run["grad_checkpointing"]), None)
    if found is None:
        raise ValueError(f"{path} has no MFU of {MEASURED!r}: run PARTS=training benchmarks/gpu.sh")
    return found["median"], result["gpu"]


def count(config: TrainConfig, counted: dict[str, float]) -> float:
    """Count the operations of a sample, once for each kind of model. Fake tensors compute nothing."""
    kind = f"{config.model} {config.freeze}"
    if kind not in counted:
        with FakeTensorMode():
            model = CLIP2Video(config.model)
            freeze(model, config.freeze)
            counted[kind] = flops_per_sample(model)
    return counted[kind]


def rewritten(text: str, config: TrainConfig, flops: float, mfu: float, how: str | None) -> str:
    """Return a recipe with the hours of its `# Hours` field. Raises ValueError if it has no such field.

    `how` says where the MFU is from; None leaves that as it is.
    """
    lines = text.splitlines(keepends=True)
    first = next((number for number, line in enumerate(lines) if line.startswith(FIELD)), len(lines))
    end = first + 1
    while end < len(lines) and lines[end].startswith("#  "):
        end += 1
    said = " ".join(line.removeprefix(FIELD).removeprefix("#").strip() for line in lines[first:end])
    found = HOURS.match(said)
    if found is None:
        raise ValueError(
            "# Hours must say: N h on COUNT GPU (N GFLOP per sample) at an MFU of N %, HOW (FILE)"
        )
    gpus = 1 if found["gpus"] == "one" else int(found["gpus"])
    hours = training_hours(config, flops, gpus=gpus, gpu=found["gpu"], mfu=mfu)
    about = (
        f"{hours:.1f} h on {found['gpus']} {found['gpu']} ({flops / 1e9:.0f} GFLOP per sample{found['more']}) "
        f"at an MFU of {100 * mfu:.1f} %,{how or found['how']}{said[found.end() :]}"
    )
    paragraph = textwrap.fill(
        about, WIDTH, initial_indent=FIELD, subsequent_indent="#".ljust(len(FIELD)), break_on_hyphens=False
    )
    return "".join([*lines[:first], paragraph + "\n", *lines[end:]])


def write_constant(path: Path, mfu: float, gpu: str | None) -> None:
    """Write the MFU, and how it was measured, into the module that computes hours."""
    about = (
        f"Of `zoetrope train` on one {gpu}: ViT-B/32, clips of 12 frames, bf16, batch 128, deterministic, compiled, from "
        f"stills in shards ({RESULT}; `python -m benchmarks.hours` writes it here)."
    )
    comment = textwrap.fill(
        about, CODE_WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )
    path.write_text(CONSTANT.sub(f"{comment}\nMEASURED_MFU = {mfu:g}\n", path.read_text()))


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--result", type=Path, help=f"default: {RESULT}")
    parser.add_argument("--mfu", type=float, help="the share of the peak, with --gpu instead of a result")
    parser.add_argument("--gpu", help="the card's name, as torch says it")
    parser.add_argument("--recount", action="store_true", help="leave the MFU as it is")
    arguments = parser.parse_args(argv)
    how = None
    mfu, gpu = MEASURED_MFU, arguments.gpu
    if arguments.mfu is not None:
        if not gpu or not 0 < arguments.mfu < 1:
            parser.error("--mfu is a share between 0 and 1, and needs --gpu")
        mfu = arguments.mfu
    elif not arguments.recount:
        if arguments.result is None and not (root / RESULT).exists():
            print(f"no {RESULT}: run benchmarks/gpu.sh on a machine with a GPU, or give --mfu and --gpu")
            return 0
        try:
            mfu, gpu = measured(arguments.result or root / RESULT)
        except ValueError as error:
            parser.error(str(error))
    if not arguments.recount:
        mfu = round(mfu, 3)  # the digits that recipes give
        how = f" measured on one {gpu} ({RESULT})"
        write_constant(root / "trainer" / "fit" / "flops.py", mfu, gpu)
    counted: dict[str, float] = {}
    for path in sorted((root / "configs" / "train").glob("*.yaml")):
        if FIELD not in path.read_text():
            continue
        config = load_config(TrainConfig, path, ["data.shards=clips/"])
        text = rewritten(path.read_text(), config, count(config, counted), mfu, how)
        path.write_text(text)
        print(
            f"{path.name}: {text.partition(FIELD)[2].partition(' (')[0]} at an MFU of {100 * mfu:.1f} %",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
