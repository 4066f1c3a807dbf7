"""The cost of the filter `clip_similarity`: one pair at a time, as it runs, and eight at once.

    python -m benchmarks.similarity [--pairs 32]

One thread, ViT-B/32 with random weights, which cost what trained ones cost. Photographs of scikit-image, cut
at random. CPU seconds, the two ways in turn. It also counts the scores that differ, as they are and as they
are stored (six digits). A sample's score must not depend on the samples that happen to be next to it. Result:
benchmarks/results/similarity.json
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import open_clip
import torch
from PIL import Image
from skimage import data

from benchmarks.harness import interleave, ratio, spread, write
from transforms.curation.rule import rounded

MODEL = "ViT-B-32-quickgelu"
AT_ONCE = 8
Scores = Callable[[list[Image.Image], list[str]], list[float]]


def pairs_of(count: int) -> tuple[list[Image.Image], list[str]]:
    """Pictures of 384 x 384 and captions of 4 to 12 words."""
    rng = np.random.default_rng(0)
    sources = [data.astronaut(), data.coffee(), data.cat(), data.rocket()]
    words = ("a", "cup", "of", "coffee", "next", "to", "the", "cat", "on", "an", "old", "wooden", "table")
    pictures, captions = [], []
    for number in range(count):
        image = sources[number % len(sources)]
        top = rng.integers(max(1, image.shape[0] - 299))
        left = rng.integers(max(1, image.shape[1] - 299))
        cut = Image.fromarray(image[top : top + 300, left : left + 300])
        pictures.append(cut.resize((384, 384)))
        captions.append(" ".join(rng.choice(words, rng.integers(4, 13))))
    return pictures, captions


def similarity() -> Scores:
    """The rule's way to a score, for as many pairs as are given."""
    torch.manual_seed(0)
    model, _, prepare = open_clip.create_model_and_transforms(MODEL, pretrained=None)
    model.eval()
    tokenizer = open_clip.get_tokenizer(MODEL)

    @torch.inference_mode()
    def scores(pictures: list[Image.Image], captions: list[str]) -> list[float]:
        seen = model.encode_image(torch.stack([prepare(picture) for picture in pictures]), normalize=True)
        read = model.encode_text(tokenizer(captions), normalize=True)
        return [float(score) for score in (seen * read).sum(1)]

    return scores


def in_parts(scores: Scores, pairs: tuple[list[Image.Image], list[str]], size: int) -> list[float]:
    """The scores of all pairs, so many at once."""
    pictures, captions = pairs
    found = []
    for start in range(0, len(pictures), size):
        found += scores(pictures[start : start + size], captions[start : start + size])
    return found


def main() -> int:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=32, help="pairs of a round (default 32)")
    count = parser.parse_args().pairs
    torch.set_num_threads(1)
    scores, pairs = similarity(), pairs_of(count)
    cases = {
        "one at a time": partial(in_parts, scores, pairs, 1),
        "eight at once": partial(in_parts, scores, pairs, AT_ONCE),
    }
    seconds = interleave(cases, rounds=5, warm_up=1, clock=time.process_time)
    alone, together = (case() for case in cases.values())
    result = {
        "model": MODEL,
        "pairs": count,
        "CPU ms a pair": {name: spread([1e3 * s / count for s in of], 1) for name, of in seconds.items()},
        "faster at once": ratio(seconds, "eight at once", "one at a time"),
        "scores that differ": sum(a != b for a, b in zip(alone, together, strict=True)),
        "stored scores that differ": sum(
            rounded(a) != rounded(b) for a, b in zip(alone, together, strict=True)
        ),
    }
    for name, value in result.items():
        print(f"{name}: {value}")
    print(write("similarity", result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
