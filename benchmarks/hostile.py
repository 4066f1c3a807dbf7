"""A corpus of mutated pictures through the real job: ``python -m benchmarks.hostile [pictures] [seed]``.

Seeded, so that a finding can be made again. Good pictures of every format are cut off, spliced, filled with
noise and given absurd sizes; some files hold no picture at all. The job must end, account for every input,
and keep each sample within `limits`.
"""

from __future__ import annotations

import io
import random
import resource
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import harness
from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from storage.tables import iter_rows
from zoetrope import cli

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
SECONDS, MEMORY_MB = 20.0, 1024


def main(pictures: int = 1000, seed: int = 0) -> None:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "pictures"
        source.mkdir()
        for number in range(pictures):
            (source / f"{number:06d}.jpg").write_bytes(mutated(rng))
            (source / f"{number:06d}.txt").write_text(f"picture {number}")
        limits = [f"limits.seconds={SECONDS}", f"limits.memory_mb={MEMORY_MB}", "max_failure_ratio=1"]
        fields = ["source.kind=folder", f"source.uri={source}", f"output={folder}/clips", "clip.size=64"]
        began = time.monotonic()
        code = cli.main(["animate", *fields, *limits, "shard.max_samples=200"])
        seconds = time.monotonic() - began
        written = [row["key"] for row in iter_rows(f"{folder}/clips", SAMPLES_FILE)]
        failed = list(iter_rows(f"{folder}/clips", FAILURES_FILE))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    keys = {*written, *(row["key"] for row in failed)}
    exact = len(written) + len(failed) == len(keys) == pictures
    results = {
        "pictures": pictures,
        "seed": seed,
        "exit code": code,
        "written": len(written),
        "failed": len(failed),
        "accounts exact": exact,
        "seconds": round(seconds, 1),
        "largest process, MB": peak,
        "reasons": dict(Counter(row["reason"] for row in failed).most_common()),
    }
    print(harness.write("hostile", results).read_text())
    sys.exit(0 if exact and code == 0 and peak < MEMORY_MB + 512 else 1)


def mutated(rng: random.Random) -> bytes:
    """The bytes of one file: a good picture that one or two mutations have passed over."""
    data = picture(rng)
    for mutate in rng.choices(MUTATIONS, k=rng.choice((1, 1, 2))):
        data = mutate(data, rng)
    return data


def picture(rng: random.Random) -> bytes:
    """A good picture: a smooth ramp with noise, of a random format, size and mode."""
    height, width = rng.randrange(64, 300), rng.randrange(64, 300)
    noise = np.random.default_rng(rng.randrange(2**32)).integers(0, 60, (height, width, 3))
    ramp = np.linspace(0, 190, width)[None, :, None]
    image = Image.fromarray((ramp + noise).astype(np.uint8))
    out = io.BytesIO()
    kind = rng.choice(FORMATS)
    modes = {"JPEG": ("RGB", "L", "CMYK"), "GIF": ("P",), "PNG": ("RGB", "RGBA", "P", "L", "I;16")}
    mode = rng.choice(modes.get(kind, ("RGB",)))
    image = image.convert("L").convert(mode) if mode == "I;16" else image.convert(mode)
    options = {"progressive": rng.random() < 0.5} if kind == "JPEG" else {}
    image.save(out, kind, **options)
    return out.getvalue()


def _same(data: bytes, rng: random.Random) -> bytes:
    return data


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 3, 10, 100))):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _head(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 4))):
        if changed:
            changed[rng.randrange(min(64, len(changed)))] = rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))
    return bytes(changed)


def _size(data: bytes, rng: random.Random) -> bytes:
    """An absurd number in the header, in both byte orders."""
    at, value = rng.randrange(4, 40), rng.choice((0, 1, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**24))
    return data[:at] + struct.pack(rng.choice("<>") + "I", value) + data[at + 4 :]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    """A slice of the file many times over: segments, chunks, comments, tags without end."""
    start = rng.randrange(len(data) + 1)
    piece = data[start : start + rng.choice((2, 16, 200))]
    return data[:start] + piece * rng.choice((10, 1000, 20_000)) + data[start:]


def _splice(data: bytes, rng: random.Random) -> bytes:
    other = picture(rng)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other)) :]


def _noise(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.choice((0, 4, 20))] + rng.randbytes(rng.choice((0, 10, 5000)))


def _markup(data: bytes, rng: random.Random) -> bytes:
    begin = rng.choice((b"<!---->", b"<!--", b"<?xml ", b"<svg ", b"GIF89a", b"%!PS-Adobe ", b"RIFF"))
    return begin * rng.choice((1, 40, 4000)) + b"x"


Mutation = Callable[[bytes, random.Random], bytes]
MUTATIONS: tuple[Mutation, ...] = (
    _same,
    _cut,
    _cut,
    _flip,
    _flip,
    _head,
    _size,
    _repeat,
    _splice,
    _noise,
    _markup,
)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
