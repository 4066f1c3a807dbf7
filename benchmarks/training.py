"""What a training step costs on this GPU: step time, samples a second, MFU, waiting for the loader, and the largest batch.

    python -m benchmarks.training [--models ViT-B-32-quickgelu ViT-B-16-quickgelu] [--steps 60] [--workers 8] [--compile]
    python -m benchmarks.training --device cpu --models tiny --most 16 --steps 30 --workers 1     # shows that it runs

Stills (512x384, default motions) are written by the code of `zoetrope animate`. For each model the largest batch of clips of
12 frames is looked for with whole steps (rendering, forward, backward, AdamW), without and with gradient checkpointing. Then
`zoetrope train` itself trains from the shards, at the fine-tuning recipes' 128 and at 95 % of the largest batch, and its own
records are read. Each loader process has one batch ahead and the first records do not count, so that a queue filled before
the start hides no slow loader. Weights are random: they cost what any others cost. Models are written as they are measured,
beside those of former runs. Without a GPU nothing is measured, and that is said.
Target: waiting for the loader < 2 % (`prepare`, the host's own share, is beside it). Result: benchmarks/results/training.json
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
from trainer.data.loader import TrainingLoader
from trainer.data.shards import ShardSet
from trainer.device.precision import choose_device
from trainer.device.ranks import Ranks
from trainer.fit.config import TrainConfig
from trainer.fit.initialise import make_model
from trainer.fit.optim import make_optimizer
from trainer.fit.step import TrainingStep
from trainer.model.towers import tokenize

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
        recipe["model"] |= {"clip": model, "pretrained": None, "max_frames": 12}
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
    """Whether two whole steps of `batch` stills, rendering included, find the memory; the second has the optimizer's state."""
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
            step(done, [stills])
    except torch.OutOfMemoryError:
        return False
    return True


def clean() -> None:
    """Give back what a trial left: a compiled model lies in cycles and in the compiler's tables."""
    if "torch._dynamo" in sys.modules:
        torch._dynamo.reset()
    gc.collect()
    torch.cuda.empty_cache()


def largest_batch(fields: dict[str, Any], most: int, *, checkpointing: bool) -> int:
    """The largest multiple of GRAIN up to `most` that fits, 0 if none: by doubling, then by halving what is left."""
    good, bad, trial = 0, most + GRAIN, min(64, most)
    while bad - good > GRAIN:
        works = fits(fields, trial, checkpointing=checkpointing)
        clean()
        print(f"    {trial} clips {'fit' if works else 'do not fit'}", flush=True)
        good, bad = (trial, bad) if works else (good, trial)
        trial = min(2 * good, most) if bad > most else (good + bad) // 2 // GRAIN * GRAIN
    return good


def train(fields: dict[str, Any], batch: int, output: Path, *, checkpointing: bool) -> dict[str, Any]:
    """`zoetrope train` from the shards, and what it recorded. Raises CalledProcessError if it fails."""
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
    """`largest_batch` in a process of its own, which gives all of its memory back."""
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
    *told, last = done.stdout.splitlines()
    print("\n".join(told), flush=True)
    return int(last)


def measure(model: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything about one model."""
    fields, runs = fields_of(model, arguments), Path(arguments.folder)
    largest = {}
    for checkpointing in (False, True):
        print(
            f"== {model}: the largest batch {'with' if checkpointing else 'without'} gradient checkpointing",
            flush=True,
        )
        largest[checkpointing] = probe(model, arguments, checkpointing=checkpointing)
    most = {checkpointing: int(batch * MARGIN) // GRAIN * GRAIN for checkpointing, batch in largest.items()}
    batches = [(b, False) for b in sorted({min(RECIPE_BATCH, most[False]), most[False]}) if b]
    steps = []
    for batch, checkpointing in [*batches, *([(most[True], True)] if most[True] else [])]:
        print(f"== {model}: {arguments.steps} steps of {batch}", flush=True)
        try:
            steps.append(
                train(fields, batch, runs / f"{model}-{batch}-{checkpointing}", checkpointing=checkpointing)
            )
        except subprocess.CalledProcessError as error:  # the others are worth having all the same
            steps.append(
                {"batch": batch, "grad_checkpointing": checkpointing, "failed": f"exit {error.returncode}"}
            )
    return {
        **{"compile": arguments.compile, "workers": arguments.workers},
        **{
            "largest_batch": largest[False],
            "largest_batch_with_checkpointing": largest[True],
            "training": steps,
        },
    }


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
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--compile", action="store_true", help="with torch.compile")
    parser.add_argument("--probe", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--checkpointing", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print(
            "no GPU that torch can use: nothing measured (--device cpu --models tiny --most 16 shows that it runs)"
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
    """Into benchmarks/results/training.json, with what is there of other models on the same GPU."""
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
