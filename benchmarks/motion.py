"""Does a model learn to see motion? Queries that differ in the motion alone, on a made corpus, on a CPU.

    python -m benchmarks.motion [--steps 400] [--arms both phrases neither] [--seed 0]

The corpus is made: discs on shaded grounds, written as still shards by the code of `zoetrope animate`, with
large motions. Every arm trains tiny towers from random weights by `zoetrope train`. Arms differ in
`data.motion_phrases` and `data.paths_per_picture`:

    both      phrases on fresh paths, and eight paths per picture in a batch
    phrases   phrases on fresh paths, one path per picture
    neither   the defaults: no phrases

A query is the caption of a held-out picture with the phrase of one motion. Eight clips of the picture, which
differ in the motion alone, compete for it; chance is 12.5 %. Target: at least 60 % with both, chance with
neither. Result: benchmarks/results/motion.json
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harness import write
from schemas.records import Reference
from storage.shards.write import ShardWriter
from trainer.data.config import DataConfig
from trainer.data.loader import evaluation_loader
from trainer.data.shards import ShardSet
from trainer.fit.config import TrainConfig
from trainer.fit.train import train
from trainer.model.io import load_model
from trainer.model.towers import tokenize
from trainer.retrieval.collect import embed_loader
from trainer.retrieval.embed import Embedder
from transforms.clip import make_clip
from transforms.settings import ClipSettings

SIZE, FRAMES, PICTURE = 32, 4, 96  # pixels of a frame's side, frames, pixels of a picture's side
COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (50, 80, 230),
    "yellow": (235, 215, 50),
    "white": (245, 245, 245),
    "black": (20, 20, 20),
    "purple": (150, 50, 180),
    "orange": (245, 140, 30),
}
MOTIONS: list[dict[str, Any]] = [
    *({"name": f"pan_{way}", "distance": [0.6, 0.9]} for way in ("left", "right", "up", "down")),
    *({"name": f"zoom_{way}", "zoom": [2.0, 2.8]} for way in ("in", "out")),
    *({"name": f"rotate_{way}", "degrees": [40.0, 60.0]} for way in ("cw", "ccw")),
]
ARMS: dict[str, dict[str, Any]] = {
    "both": {"motion_phrases": 1.0, "paths_per_picture": len(MOTIONS)},
    "phrases": {"motion_phrases": 1.0},
    "neither": {},
}
TARGET = 60.0  # percent


def picture(index: int) -> tuple[bytes, str]:
    """PNG bytes of a disc with a hand on a shaded ground, and the caption.

    The ground darkens downwards and turns grey to the right, and the hand points up: every view shows where
    it is.
    """
    rng = np.random.default_rng(index)
    ground, disc = rng.choice(list(COLOURS), 2, replace=False)
    down_H11 = np.linspace(1.0, 0.3, PICTURE)[:, None, None]
    right_1W1 = np.linspace(0.0, 0.8, PICTURE)[None, :, None]
    colour = np.array(COLOURS[ground], np.float64)
    image_HWC = ((1 - right_1W1) * colour + right_1W1 * 128) * down_H11
    image_HWC = np.ascontiguousarray(image_HWC.astype(np.uint8))
    centre = tuple(int(v) for v in rng.uniform(0.45, 0.55, 2) * PICTURE)
    radius = int(rng.uniform(18, 24))
    cv2.circle(image_HWC, centre, radius, COLOURS[disc], -1)
    cv2.line(image_HWC, centre, (centre[0], centre[1] - 2 * radius), (0, 0, 0), 5)
    return cv2.imencode(".png", image_HWC[..., ::-1])[1].tobytes(), f"a {disc} disc on {ground}"


def write_stills(path: Path, indices: Iterable[int], *, every_motion: bool) -> None:
    """One shard: each picture once, or once for each motion."""
    path.parent.mkdir(parents=True, exist_ok=True)
    choices = [[motion] for motion in MOTIONS] if every_motion else [MOTIONS]
    with path.open("wb") as stream:
        writer = ShardWriter(stream)
        for index in indices:
            data, caption = picture(index)
            for number, motions in enumerate(choices):
                clip = {"size": SIZE, "frames": FRAMES}
                phrases = {"motion_phrases": 1.0}
                settings = ClipSettings.make(
                    {"store": "still", "motions": motions, "clip": clip, "captions": phrases}
                )
                key = f"p{index:06d}-{number}"
                reference = Reference(key, (caption,), "made", image=data, image_id=f"p{index:06d}")
                writer.write(key, make_clip(data, reference, settings).members)
        writer.close()


def train_config(shards: Path, output: Path, arm: str, *, steps: int, batch: int, seed: int) -> TrainConfig:
    """Tiny towers on one arm's data."""
    tower = {"width": 64, "layers": 2}
    return TrainConfig.make(
        {
            "output": str(output),
            "data": {"shards": str(shards), "workers": 0, "motions": MOTIONS, **ARMS[arm]},
            "model": {
                "clip": {
                    "embed_dim": 64,
                    "vision": {**tower, "head_width": 16, "patch_size": 8, "image_size": SIZE},
                    "text": {**tower, "heads": 4, "context_length": 32},
                },
                "max_frames": FRAMES,
                "max_words": 24,
                "temporal_layers": 2,
            },
            "optim": {"lr_clip": 1e-3, "lr_new": 1e-3, "weight_decay": 0.05},
            "global_batch_size": batch,
            "max_steps": steps,
            "save_every": steps,
            "log": {"every": 50, "tensorboard": False},
            "device": "cpu",
            "precision": "fp32",
            "seed": seed,
        }
    )


def right_motion(checkpoint: Path, shards: Path) -> float:
    """Percent of queries whose clip is the best among the clips of the same picture."""
    model = load_model(checkpoint)
    embedder = Embedder(model, torch.device("cpu"))
    loader = evaluation_loader(
        ShardSet.find(str(shards)),
        DataConfig(shards=str(shards), workers=0, eval_batch_size=64),
        partial(tokenize, max_words=model.config.max_words),
        frames=FRAMES,
        size=embedder.size,
    )
    data = embed_loader(embedder, loader)
    of_picture: dict[str, list[int]] = defaultdict(list)
    for row, key in enumerate(data.keys):
        of_picture[key.partition("-")[0]].append(row)
    scores_NM = (data.texts.vectors_NE @ data.videos.vectors_NE.T).numpy()
    right = []
    for query, video in enumerate(data.owners):
        rivals = of_picture[data.keys[video].partition("-")[0]]
        right.append(rivals[int(np.argmax(scores_NM[query, rivals]))] == video)
    return 100.0 * float(np.mean(right))


def measure(
    folder: Path, arms: Iterable[str], *, pictures: int, tests: int, steps: int, batch: int, seed: int
) -> dict[str, Any]:
    """Train every arm on the same pictures and ask for the motions of held-out ones."""
    write_stills(folder / "train" / "0.tar", range(pictures), every_motion=False)
    write_stills(folder / "test" / "0.tar", range(pictures, pictures + tests), every_motion=True)
    results: dict[str, Any] = {}
    for arm in arms:
        began = time.perf_counter()
        run = folder / arm
        config = train_config(folder / "train", run, arm, steps=steps, batch=batch, seed=seed)
        loss = train(config).loss
        found = right_motion(run / "last", folder / "test")
        results[arm] = {
            "right_motion_percent": round(found, 1),
            "loss": None if loss is None else round(loss, 3),
            "seconds": round(time.perf_counter() - began),
        }
        print(arm, json.dumps(results[arm]), flush=True)
    return results


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--pictures", type=int, default=512, help="pictures to train on")
    parser.add_argument("--tests", type=int, default=100, help="held-out pictures, eight clips each")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    settings = {name: value for name, value in vars(arguments).items() if name != "arms"}
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Path(folder), arguments.arms, **settings)
    path = write(
        "motion",
        {"chance_percent": 100 / len(MOTIONS), "target_percent": TARGET, **settings, "arms": results},
    )
    print(path.read_text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
