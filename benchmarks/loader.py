"""Clips per second that one worker of the training loader decodes from each of the three stores.

    python benchmarks/loader.py [--samples 192] [--rounds 9]

The code of `zoetrope animate` writes the same clips as frames, mp4 and still: 12 frames of 224x224, default
motions, from photographs of 512x384. The work of a worker is timed: reading the tar, shuffling, decoding,
drawing the camera's path, tokenizing, collating. Stills are animated on the device afterwards, which is not
the worker's work. The stores take turns within one run. Targets: still >= 3x frames and >= 12x mp4. Result:
benchmarks/results/loader.json
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import simplejpeg
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harness import interleave, ratio, spread, write
from benchmarks.pictures import photograph
from schemas.records import Reference
from storage.shards.write import ShardWriter
from trainer.data.batch import collate
from trainer.data.config import DataConfig
from trainer.data.dataset import SampleSet, TrainingStream
from trainer.data.decode import Decoder
from trainer.data.mixing.turns import Turns
from trainer.data.order import Cursor
from trainer.model.towers import tokenize
from transforms.clip import make_clip
from transforms.rendering.render import prepare_worker
from transforms.settings import ClipSettings

SIZE, FRAMES, BATCH = (224, 224), 12, 64  # a rank takes 64 to 128 clips at a time in the recipes
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field", "retina")
STORES = ("frames", "mp4", "still")
TARGETS = {"frames": 3.0, "mp4": 12.0}  # still over the other


def write_shard(folder: Path, store: str, samples: int) -> int:
    """Write FOLDER/STORE/00000.tar as the main job does; returns its bytes."""
    path = folder / store / "00000.tar"
    path.parent.mkdir()
    write_samples(path, store, range(samples))
    return path.stat().st_size


def write_samples(path: Path, store: str, indices: range) -> None:
    """A shard of the photographs with one sample per index."""
    settings = ClipSettings.make({"store": store})
    with path.open("wb") as stream:
        writer = ShardWriter(stream)
        for index in indices:
            image = photograph(PHOTOGRAPHS[index % len(PHOTOGRAPHS)], 384, 512)
            # 4:2:0, as photographs on the web are.
            data = simplejpeg.encode_jpeg(np.ascontiguousarray(image), 90, "RGB", "420")
            clip = make_clip(
                data,
                Reference(f"s{index:06d}", ("a photograph of something",), "benchmark", image=data),
                settings,
            )
            writer.write(f"s{index:06d}", clip.members)
        writer.close()


def case(folder: Path, store: str, samples: int) -> Callable[[], None]:
    """Take `samples` clips from the stream of one loader worker, in this process."""
    config = DataConfig(shards=str(folder / store), workers=0, shuffle_samples=64)
    make = partial(collate, tokenize=partial(tokenize, max_words=32), frames=FRAMES, size=SIZE)
    decode = Decoder(config, frames=FRAMES, size=SIZE, seed=0, training=True)
    stream = TrainingStream(
        [SampleSet((str(folder / store / "00000.tar"),), config, decode)],
        Turns([1.0]),
        make,
        batch_size=BATCH,
        seed=0,
        rank=0,
        world=1,
        positions=[(Cursor(),)],
    )
    batches = iter(stream)

    def take() -> None:
        for _ in range(samples // BATCH):
            next(batches)

    return take


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=192, help="clips a store and round; a multiple of 64")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args(argv)
    prepare_worker()  # as the loader's workers do
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        sizes = {store: write_shard(Path(folder), store, arguments.samples) for store in STORES}
        cases = {store: case(Path(folder), store, arguments.samples) for store in STORES}
        seconds = interleave(cases, rounds=arguments.rounds, warm_up=1)
    results = {
        "threads": 1,
        "clips_per_s_per_worker": {
            s: spread([arguments.samples / t for t in times], 1) for s, times in seconds.items()
        },
        "kb_per_clip": {store: round(size / arguments.samples / 1000, 1) for store, size in sizes.items()},
        "still_over": {
            other: {**ratio(seconds, "still", other), "target": target} for other, target in TARGETS.items()
        },
    }
    path = write("loader", results)
    print(path.read_text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
