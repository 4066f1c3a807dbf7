"""The cost of a training step on this GPU.

Measures step time, samples per second, MFU, the wait for the loader, and the largest batch.

    python -m benchmarks.training [--models NAME ...] [--steps 60] [--workers 8] [--modes compiled eager]
    python -m benchmarks.training --quick --models ViT-B-32-quickgelu     # no search for the largest batch
    python -m benchmarks.training --search --grain 64                     # nothing but that search
    python -m benchmarks.training --device cpu --models tiny --most 16 --steps 30 --workers 1  # it runs

The code of `zoetrope animate` writes stills (512x384, default motions). For each model, whole steps
(rendering, forward, backward, AdamW) find the largest batch of clips of 12 frames, without and with gradient
checkpointing. Then `zoetrope train` itself trains from the shards, and its records are read. It runs at the
fine-tuning recipes' 128 and at 95 % of the largest batch. Modes are `compiled` (as the recipes are), `eager`,
and `loose` (compiled, deterministic=false); the batches of the search are the first mode's. Each loader
process has one batch ahead, and the first records do not count. So a queue that was filled before the start
hides no slow loader. `plain_loop` is a loop over open_clip's own towers with frames that are ready, run in
the same call. `shm_mb` is the most that the loader's batches take of /dev/shm. Weights are random, which
changes no cost. Results of other models and modes on the same GPU are kept.

Goals with ViT-B/32 and 128 clips on one H100 or H200: 1,000 samples/s, MFU 33 %, and 1.5 times the plain
loop. `prepare` and the loader together take at most 3 % of a step. Without a GPU nothing is measured. Result:
benchmarks/results/training.json
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harness import ROOT, spread, write
from benchmarks.largest_batch import largest_batch
from benchmarks.loader import write_samples
from benchmarks.pictures import FRAMES
from benchmarks.plain_loop import samples_per_second

MODELS = ("ViT-B-32-quickgelu", "ViT-B-16-quickgelu")
RECIPE_BATCH = 128
GRAIN, MOST = 8, 4096  # the largest batch is looked for in multiples of GRAIN, up to MOST
SHARDS, SAMPLES = 16, 64
EVERY = 5  # steps a record
MODES = {"compiled": (True, True), "eager": (False, True), "loose": (True, False)}  # compile, deterministic
SHARED = Path("/dev/shm")  # noqa: S108 - its size is looked at
WARM_UP = 4  # records that do not count: the loader fills its queues, kernels are chosen or compiled
TARGET_WAIT = 0.02
MARGIN = 0.95  # of the largest batch: other processes and fragments of memory differ from run to run


def fields_of(model: str, mode: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """The pretraining recipe for one GPU; with `tiny` the towers of the debug recipe."""
    compiled, deterministic = MODES[mode]
    recipe = yaml.safe_load(
        (ROOT / f"configs/train/{'debug' if model == 'tiny' else 'pretrain'}.yaml").read_text()
    )
    if model != "tiny":
        recipe["model"] |= {"clip": model, "pretrained": None, "max_frames": FRAMES}
    return {
        "data": {
            "shards": f"{arguments.folder}/clips",
            "workers": arguments.workers,
            "shuffle_samples": 200,
            "batches_ahead": 1,
        },
        "model": recipe["model"],
        "max_steps": arguments.steps,
        "device": arguments.device,
        "compile": compiled,
        "deterministic": deterministic,
        "log": {"every": EVERY, "tensorboard": False},
    }


def train(fields: dict[str, Any], batch: int, output: Path, *, checkpointing: bool) -> dict[str, Any]:
    """Run `zoetrope train` on the shards and return its records. Raises CalledProcessError if it fails."""
    values = {**fields, "output": str(output), "global_batch_size": batch}
    values["model"] = {**fields["model"], "grad_checkpointing": checkpointing}
    config = output.with_suffix(".yaml")
    config.write_text(yaml.safe_dump(values))
    command = [sys.executable, "-m", "zoetrope", "train", "--config", str(config)]
    shared = run_watched(command)
    records = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()][WARM_UP:]
    known = {
        name: [r[name] for r in records if r[name] is not None]
        for name in ("samples_per_s", "data_wait", "prepare", "mfu")
    }
    return {
        "batch": batch,
        "grad_checkpointing": checkpointing,
        "step_ms": spread([1000 * batch / rate for rate in known["samples_per_s"]], 1),
        "samples_per_s": spread(known["samples_per_s"], 1),
        "mfu": spread(known["mfu"], 3) if known["mfu"] else None,
        "data_wait": {**spread(known["data_wait"], 4), "target": TARGET_WAIT},
        "prepare": spread(known["prepare"], 4),
        "memory_gb": round(max(r["memory_gb"] for r in records), 1),
        "shm_mb": shared,
    }


def run_watched(command: list[str]) -> int:
    """Run a command. Returns the MB that it took of /dev/shm at most. Raises CalledProcessError."""
    before = most = shared_mb()
    with subprocess.Popen(command, cwd=ROOT) as running:
        while running.poll() is None:
            most = max(most, shared_mb())
            time.sleep(0.2)
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)
    return most - before


def shared_mb() -> int:
    """Return the MB of /dev/shm that are in use; 0 where there is none."""
    return shutil.disk_usage(SHARED).used >> 20 if SHARED.exists() else 0


def probe(model: str, arguments: argparse.Namespace, *, checkpointing: bool) -> int:
    """Run `largest_batch` in another process, which returns all of its memory when it ends."""
    command = [
        sys.executable,
        __file__,
        "--probe",
        "--models",
        model,
        "--folder",
        arguments.folder,
        "--most",
        str(arguments.most),
        "--grain",
        str(arguments.grain),
        "--modes",
        arguments.modes[0],
    ]
    command += ["--device", arguments.device]
    command += ["--checkpointing"] if checkpointing else []
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    *progress, last = done.stdout.splitlines()
    print("\n".join(progress), flush=True)
    return int(last)


def measure(model: str, arguments: argparse.Namespace) -> bool:
    """Measure everything about one model. Each result is kept at once: what follows may run out of time.

    Returns whether every run of `zoetrope train` ended well.
    """
    batches = [(arguments.batch, False)]
    if not arguments.quick:
        largest = {with_it: search(model, arguments, checkpointing=with_it) for with_it in (False, True)}
        found = {"largest_batch": largest[False], "largest_batch_with_checkpointing": largest[True]}
        keep(model, arguments.modes[0], {**found, "grain": arguments.grain}, arguments.device)
        batches = batches_to_train(largest)
    if arguments.search:
        return True
    loop: dict[str, Any] = {}
    ended_well = True
    for mode in arguments.modes:
        about = {"workers": arguments.workers, "training": train_each(model, mode, batches, arguments)}
        ended_well &= not any("failed" in result for result in about["training"])
        keep(model, mode, about, arguments.device)
        if model != "tiny":
            ours = about["training"][0]
            loop = loop or plain(model, arguments.device, ours["batch"])
            keep(model, mode, {"plain_loop": compared(loop, ours)}, arguments.device)
    return ended_well


def train_each(
    model: str, mode: str, batches: list[tuple[int, bool]], arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """Train at each batch. A run that fails is a line of the result: the others are still worth having."""
    fields, results = fields_of(model, mode, arguments), []
    for batch, checkpointing in batches:
        print(f"== {model}, {mode}: {arguments.steps} steps of {batch}", flush=True)
        output = Path(arguments.folder) / f"{model}-{mode}-{batch}-{checkpointing}"
        try:
            results.append(train(fields, batch, output, checkpointing=checkpointing))
        except subprocess.CalledProcessError as error:
            failed = f"zoetrope train ended with {error.returncode}; see its lines above"
            results.append({"batch": batch, "grad_checkpointing": checkpointing, "failed": failed})
    return results


def search(model: str, arguments: argparse.Namespace, *, checkpointing: bool) -> int:
    """Say what is looked for, and find the largest batch."""
    kind = "with" if checkpointing else "without"
    print(f"== {model}: the largest batch {kind} gradient checkpointing", flush=True)
    return probe(model, arguments, checkpointing=checkpointing)


def batches_to_train(largest: dict[bool, int]) -> list[tuple[int, bool]]:
    """Return (batch, checkpointing): the recipes' batch if it fits, and nearly the largest of either kind."""
    most = {checkpointing: int(batch * MARGIN) // GRAIN * GRAIN for checkpointing, batch in largest.items()}
    plain = sorted({min(RECIPE_BATCH, most[False]), most[False]} - {0})
    batches = [(batch, False) for batch in plain]
    if most[True]:
        batches.append((most[True], True))
    return batches


def plain(model: str, device: str, batch: int) -> dict[str, Any]:
    """Measure the plain loop at a batch."""
    print(f"== {model}: the plain loop", flush=True)
    return samples_per_second(model, batch=batch, frames=FRAMES, device=device)


def compared(loop: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """Say how many times faster than the plain loop `zoetrope train` is."""
    if "samples_per_s" not in ours:
        return loop
    times = ours["samples_per_s"]["median"] / loop["samples_per_s"]["median"]
    return {**loop, "ours_over_it": round(times, 2)}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=MODELS, help="names of open_clip, or tiny")
    parser.add_argument(
        "--steps", type=int, default=60, help=f"steps of a run; {EVERY} make a record, {WARM_UP} are left out"
    )
    parser.add_argument("--workers", type=int, default=8, help="data.workers; at most 16")
    parser.add_argument(
        "--most", type=int, default=MOST, help="batches above this are not tried; a multiple of 8"
    )
    parser.add_argument("--batch", type=int, default=RECIPE_BATCH, help="clips of a step with --quick")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=["compiled", "eager"])
    parser.add_argument("--quick", action="store_true", help="--batch clips only, no search for the largest")
    parser.add_argument("--search", action="store_true", help="the largest batches only, no training")
    parser.add_argument("--grain", type=int, default=GRAIN, help="largest batches are multiples of this")
    parser.add_argument("--probe", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--checkpointing", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print(
            "no GPU that torch can use: nothing measured "
            "(--device cpu --models tiny --most 16 shows that it runs)"
        )
        return 0
    if arguments.probe:
        fields = fields_of(arguments.models[0], arguments.modes[0], arguments)
        most, grain = arguments.most, arguments.grain
        print(largest_batch(fields, most, grain, checkpointing=arguments.checkpointing))
        return 0
    with tempfile.TemporaryDirectory() as arguments.folder:
        clips = Path(arguments.folder) / "clips"
        clips.mkdir()
        for shard in range(SHARDS):
            write_samples(clips / f"{shard:05d}.tar", "still", range(shard * SAMPLES, (shard + 1) * SAMPLES))
        ended_well = [measure(model, arguments) for model in arguments.models]
    return int(not all(ended_well))


def keep(model: str, mode: str, result: dict[str, Any], device: str) -> None:
    """Print a result, and on a GPU write it into benchmarks/results/training.json.

    The file keeps the results of other models and modes on the same GPU.
    """
    print(json.dumps(result, indent=2), flush=True)
    if device != "cuda":
        return
    properties = torch.cuda.get_device_properties(0)
    gpu = {
        "gpu": properties.name,
        "gpu_gb": round(properties.total_memory / 1e9, 1),
        "cuda": torch.version.cuda,
    }
    path = ROOT / "benchmarks" / "results" / "training.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    models = before["models"] if before.get("gpu") == gpu["gpu"] else {}
    name = f"{model} {mode}"
    write("training", {**gpu, "models": {**models, name: {**models.get(name, {}), **result}}})


if __name__ == "__main__":
    raise SystemExit(main())
