"""Mutations of files, seeded: cut, flipped, repeated, spliced, with absurd numbers, and made up."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

Mutation = Callable[[bytes, random.Random], bytes]
NUMBERS = (0, 1, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**24)
LARGE = (2**63 - 1, 2**64 - 1, 2**40, 1 << 32)


def mutated(data: bytes, rng: random.Random, *others: Mutation) -> bytes:
    """A good file that one or two mutations have passed over; `others` are those of its own kind."""
    for mutate in rng.choices((*COMMON, *others, *others), k=rng.choice((1, 1, 2))):
        data = mutate(data, rng)
    return data


def same(data: bytes, rng: random.Random) -> bytes:
    """Nothing changes."""
    return data


def cut(data: bytes, rng: random.Random) -> bytes:
    """The end is missing."""
    return data[: rng.randrange(len(data) + 1)]


def flip(data: bytes, rng: random.Random) -> bytes:
    """Some bytes anywhere are others."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 3, 10, 100))):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def flip_end(data: bytes, rng: random.Random) -> bytes:
    """Some of the last 512 bytes are others: directories and footers."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 5))):
        if changed:
            changed[-1 - rng.randrange(min(512, len(changed)))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(changed)


def flip_head(data: bytes, rng: random.Random) -> bytes:
    """Some of the first 64 bytes are others."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 4))):
        if changed:
            changed[rng.randrange(min(64, len(changed)))] = rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))
    return bytes(changed)


def absurd_number(data: bytes, rng: random.Random) -> bytes:
    """An absurd number anywhere, of four or eight bytes, in either order."""
    at = rng.randrange(max(1, len(data)))
    if rng.random() < 0.5:
        number = struct.pack(rng.choice("<>") + "I", rng.choice(NUMBERS))
    else:
        number = struct.pack(rng.choice("<>") + "Q", rng.choice(LARGE))
    return data[:at] + number + data[at + len(number) :]


def repeat(data: bytes, rng: random.Random) -> bytes:
    """A slice of the file many times over: segments, chunks, comments, tags without end."""
    start = rng.randrange(len(data) + 1)
    piece = data[start : start + rng.choice((2, 16, 200, 512))]
    return data[:start] + piece * rng.choice((10, 1000, 20_000)) + data[start:]


def remove(data: bytes, rng: random.Random) -> bytes:
    """A slice is missing."""
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.choice((1, 4, 64, 512)) :]


def noise(data: bytes, rng: random.Random) -> bytes:
    """Only the first bytes are those of the file."""
    return data[: rng.choice((0, 4, 20, 512))] + rng.randbytes(rng.choice((0, 10, 5000)))


COMMON: tuple[Mutation, ...] = (same, cut, flip, flip, flip_end, absurd_number, repeat, remove, noise)
