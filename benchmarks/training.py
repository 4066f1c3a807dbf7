"""What a training step costs on this GPU: step time, samples per second, MFU, waiting for the loader, the
largest batch.

    python -m benchmarks.training [--models NAME ...] [--steps 60] [--workers 8] [--compile]
    python -m benchmarks.training --quick --models ViT-B-32-quickgelu     # no search for the largest batch
    python -m benchmarks.training --device cpu --models tiny --most 16 --steps 30 --workers 1  # it runs

The code of `zoetrope animate` writes stills (512x384, default motions). For each model, whole steps
(rendering, forward, backward, AdamW) find the largest batch of clips of 12 frames, without and with gradient
checkpointing. Then `zoetrope train` itself trains from the shards, at the fine-tuning recipes' 128 and at 95
% of the largest batch, and its records are read. Each loader process has one batch ahead and the first
records do not count, so that a queue filled before the start hides no slow loader. `plain_loop` is a loop
over open_clip's own towers with frames that are there already, run in the same call. Weights are random: they
cost what any others cost. Results of other models on the same GPU are kept.

Wanted with ViT-B/32 and 128 clips on one H100 or H200: 1,000 samples/s, MFU 33 %, 1.5 times the plain loop,
and at most 3 % of a step for `prepare` and the loader together. Without a GPU nothing is measured. Result:
benchmarks/results/training.json
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harness import ROOT, spread, write
from benchmarks.loader import write_samples
from benchmarks.pictures import FRAMES
from benchmarks.plain_loop import samples_per_second
from trainer.data.loader import TrainingLoader
from trainer.data.shards import ShardSet
from trainer.device.precision import choose_device
from trainer.device.ranks import Ranks
from trainer.fit.ahead import Parts
from trainer.fit.config import TrainConfig
from trainer.fit.initialise import make_model
from trainer.fit.step import TrainingStep
from trainer.model.towers import tokenize
from trainer.optimise.optim import make_optimizer

MODELS = ("ViT-B-32-quickgelu", "ViT-B-16-quickgelu")
RECIPE_BATCH = 128
GRAIN, MOST = 8, 4096  # the largest batch is looked for in multiples of GRAIN, up to MOST
SHARDS, SAMPLES = 16, 64
EVERY = 5  # steps a record
WARM_UP = 4  # records that do not count: the loader fills its queues, kernels are chosen or compiled
TARGET_WAIT = 0.02
MARGIN = 0.95  # of the largest batch: other processes and fragments of memory differ from run to run


def fields_of(model: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """The pretraining recipe for one GPU; with `tiny` the towers of the debug recipe."""
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
        "compile": arguments.compile,
        "log": {"every": EVERY, "tensorboard": False},
    }


def fits(fields: dict[str, Any], batch: int, *, checkpointing: bool) -> bool:
    """Whether two whole steps of `batch` stills, rendering included, find the memory; the second has the
    optimizer's state.
    """
    model_fields = {**fields["model"], "grad_checkpointing": checkpointing}
    config = TrainConfig.make(
        {**fields, "model": model_fields, "output": "unused", "global_batch_size": batch}
    )
    device = choose_device(config.device)
    try:
        model, _ = make_model(config.model, None)
        model.to(device)
        size = (model.image_size, model.image_size)
        loader = TrainingLoader(
            ShardSet.find(config.data.shards),
            config.data.model_copy(update={"workers": 0}),
            partial(tokenize, max_words=config.model.max_words),
            frames=config.model.max_frames,
            size=size,
            batch_size=batch,
            seed=0,
        )
        step = TrainingStep(config, Ranks(0, 1, device), model, make_optimizer(model, config.optim))
        stills = next(iter(loader))
        for done in range(2):
            step(done, Parts([stills], device, size)).result()
    except torch.OutOfMemoryError:
        return False
    return True


def clean() -> None:
    """Free what a trial left: a compiled model is held by reference cycles and by the compiler's tables."""
    if "torch._dynamo" in sys.modules:
        torch._dynamo.reset()
    gc.collect()
    torch.cuda.empty_cache()


def largest_batch(fields: dict[str, Any], most: int, *, checkpointing: bool) -> int:
    """Find the largest multiple of GRAIN up to `most` that fits, 0 if none, by doubling and bisection."""
    good, bad, trial = 0, most + GRAIN, min(64, most)
    while bad - good > GRAIN:
        works = fits(fields, trial, checkpointing=checkpointing)
        clean()
        print(f"    {trial} clips {'fit' if works else 'do not fit'}", flush=True)
        good, bad = (trial, bad) if works else (good, trial)
        trial = min(2 * good, most) if bad > most else (good + bad) // 2 // GRAIN * GRAIN
    return good


def train(fields: dict[str, Any], batch: int, output: Path, *, checkpointing: bool) -> dict[str, Any]:
    """Run `zoetrope train` on the shards and return its records. Raises CalledProcessError if it fails."""
    values = {**fields, "output": str(output), "global_batch_size": batch}
    values["model"] = {**fields["model"], "grad_checkpointing": checkpointing}
    config = output.with_suffix(".yaml")
    config.write_text(yaml.safe_dump(values))
    subprocess.run([sys.executable, "-m", "zoetrope", "train", "--config", str(config)], check=True, cwd=ROOT)
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
    }


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
    ]
    command += ["--device", arguments.device, *(["--compile"] if arguments.compile else [])]
    command += ["--checkpointing"] if checkpointing else []
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    *progress, last = done.stdout.splitlines()
    print("\n".join(progress), flush=True)
    return int(last)


def measure(model: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure everything about one model."""
    fields, runs = fields_of(model, arguments), Path(arguments.folder)
    result: dict[str, Any] = {"compile": arguments.compile, "workers": arguments.workers}
    batches = [(arguments.batch, False)]
    if not arguments.quick:
        largest = {with_it: search(model, arguments, checkpointing=with_it) for with_it in (False, True)}
        result |= {"largest_batch": largest[False], "largest_batch_with_checkpointing": largest[True]}
        batches = batches_to_train(largest)
    result["training"] = []
    for batch, checkpointing in batches:
        print(f"== {model}: {arguments.steps} steps of {batch}", flush=True)
        about = {"batch": batch, "grad_checkpointing": checkpointing}
        output = runs / f"{model}-{batch}-{checkpointing}"
        try:
            result["training"].append(train(fields, batch, output, checkpointing=checkpointing))
        except subprocess.CalledProcessError as error:  # the other runs are still worth having
            result["training"].append({**about, "failed": f"exit {error.returncode}"})
    if model != "tiny":
        result["plain_loop"] = plain(model, arguments.device, result["training"][0])
    return result


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


def plain(model: str, device: str, ours: dict[str, Any]) -> dict[str, Any]:
    """Measure the plain loop at the same batch, and how many times faster `zoetrope train` is."""
    print(f"== {model}: the plain loop", flush=True)
    loop = samples_per_second(model, batch=ours["batch"], frames=FRAMES, device=device)
    if "samples_per_s" in ours:
        loop["ours_over_it"] = round(ours["samples_per_s"]["median"] / loop["samples_per_s"]["median"], 2)
    return loop


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
    parser.add_argument("--compile", action="store_true", help="with torch.compile")
    parser.add_argument("--quick", action="store_true", help="--batch clips only, no search for the largest")
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
        fields = fields_of(arguments.models[0], arguments)
        print(largest_batch(fields, arguments.most, checkpointing=arguments.checkpointing))
        return 0
    with tempfile.TemporaryDirectory() as arguments.folder:
        clips = Path(arguments.folder) / "clips"
        clips.mkdir()
        for shard in range(SHARDS):
            write_samples(clips / f"{shard:05d}.tar", "still", range(shard * SAMPLES, (shard + 1) * SAMPLES))
        for model in arguments.models:
            result = measure(model, arguments)
            print(json.dumps(result, indent=2), flush=True)
            if arguments.device == "cuda":
                keep(model + (" compiled" if arguments.compile else ""), result)
    return 0


def keep(name: str, result: dict[str, Any]) -> None:
    """Write into benchmarks/results/training.json, and keep the other models that the same GPU has there."""
    properties = torch.cuda.get_device_properties(0)
    gpu = {
        "gpu": properties.name,
        "gpu_gb": round(properties.total_memory / 1e9, 1),
        "cuda": torch.version.cuda,
    }
    path = ROOT / "benchmarks" / "results" / "training.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    others = before["models"] if before.get("gpu") == gpu["gpu"] else {}
    write("training", {**gpu, "models": {**others, name: result}})


if __name__ == "__main__":
    raise SystemExit(main())
