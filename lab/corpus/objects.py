"""The objects of the corpus: named sprites with transparency, from an emoji package of npm, or drawn here.

The emoji come from `emoji-datasource-google` (Noto Emoji, Apache-2.0). `npm pack` fetches the package once,
and its checksum is pinned. Nothing of it is part of this project.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from schemas.errors import ConfigError
from schemas.keys import derive_seed

LOG = logging.getLogger(__name__)
PACKAGE, VERSION = "emoji-datasource-google", "16.0.0"
SHA512 = "ZRexfzs7MVoLnmzZmNsO4TKhnAJp5D++Vm6PpUpH/jEQQlemp3l88CjZ+DoZ2faM9R4QxZkOPJCoT8DlPhfQ3A=="
CATEGORIES = ("Animals & Nature", "Food & Drink", "Objects", "Travel & Places", "Activities")
NAME = re.compile(r"[a-z]{3,}(_[a-z]{3,})?")  # one or two plain words
FETCH_SECONDS = 300
SPRITE = 64  # pixels a side
MAX_MEMBER = 4_000_000  # bytes of one file of the package
COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 160, 60),
    "blue": (50, 80, 230),
    "yellow": (235, 215, 50),
    "white": (245, 245, 245),
    "black": (20, 20, 20),
    "purple": (150, 50, 180),
    "orange": (245, 140, 30),
}


@dataclass(frozen=True, eq=False)
class Sprite:
    """A named object, uint8 RGBA [64,64,4]."""

    name: str
    image_HW4: np.ndarray


def emoji(cache: Path, count: int, seed: int) -> list[Sprite]:
    """Return `count` sprites of the emoji package, chosen by `seed` and in the order of their names.

    `cache` holds the package afterwards. Raises ConfigError if it cannot be fetched, or has too few sprites.
    """
    archive = _package(cache)
    wanted = {f"package/img/google/64/{image}": name for name, image in _listed(archive)}
    chosen = set(_choose(sorted(wanted.values()), count, seed))
    sprites = []
    for member, data in _members(archive):
        name = wanted.get(member)
        if name in chosen:
            sprites.append(Sprite(str(name), _decode(data)))
    return sorted(sprites, key=lambda sprite: sprite.name)


def drawn(count: int, seed: int) -> list[Sprite]:
    """Return `count` sprites that need no download: shapes, letters and digits in eight colours."""
    kinds = ["circle", "square", "triangle", "diamond", "cross", "ring", *"ABDEGHKMPRSTXZ2345789"]
    names = [f"{colour} {kind}" for colour in COLOURS for kind in kinds]
    return [Sprite(name, _draw(*name.split(" "))) for name in sorted(_choose(names, count, seed))]


def _choose(names: list[str], count: int, seed: int) -> list[str]:
    if count > len(names):
        raise ConfigError(f"corpus.objects = {count} must be at most {len(names)} with these objects")
    order = np.random.default_rng(derive_seed(seed, "objects")).permutation(len(names))
    return [names[i] for i in order[:count]]


def _package(cache: Path) -> Path:
    archive = cache / f"{PACKAGE}-{VERSION}.tgz"
    if not archive.exists():
        _fetch(cache)
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != SHA512:
        raise ConfigError(
            f"{archive}: its SHA-512 is not that of {PACKAGE} {VERSION}; delete the file and retry"
        )
    return archive


def _fetch(cache: Path) -> None:
    """Let npm download the package, from the registry that npm is configured for."""
    npm = shutil.which("npm")
    without = "or set corpus.kind=drawn, which needs no download"
    if npm is None:
        raise ConfigError(f"corpus.kind = emoji needs npm to download {PACKAGE}; install npm, {without}")
    LOG.info(f"downloading {PACKAGE} {VERSION} with npm")
    cache.mkdir(parents=True, exist_ok=True)
    command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", str(cache)]
    try:
        subprocess.run(  # noqa: S603 - a fixed command
            command, check=True, capture_output=True, timeout=FETCH_SECONDS
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise ConfigError(
            f"npm could not download {PACKAGE} {VERSION} ({error}); try again, {without}"
        ) from None


def _listed(archive: Path) -> Iterator[tuple[str, str]]:
    """Yield (name, file) of every emoji of the categories whose name is one or two plain words."""
    (text,) = (data for member, data in _members(archive) if member == "package/emoji.json")
    for entry in json.loads(text):
        name = entry["short_name"].replace("-", "_")
        if entry["category"] in CATEGORIES and entry["has_img_google"] and NAME.fullmatch(name):
            yield name.replace("_", " "), entry["image"]


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the small files of the package. The sheets are passed over."""
    with tarfile.open(archive, "r|gz") as tar:
        for member in tar:
            if member.isfile() and member.size <= MAX_MEMBER:
                stream = tar.extractfile(member)
                if stream is not None:
                    yield member.name, stream.read()


def _decode(data: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3 or image.shape[2] != 4:
        raise ConfigError(
            f"{PACKAGE} {VERSION} has a picture without transparency; delete the file and retry"
        )
    return cv2.cvtColor(
        cv2.resize(image, (SPRITE, SPRITE), interpolation=cv2.INTER_AREA), cv2.COLOR_BGRA2RGBA
    )


def _draw(colour: str, kind: str) -> np.ndarray:
    """Draw one shape or character at four times the size."""
    side = 4 * SPRITE
    mask = np.zeros((side, side), np.uint8)
    if kind == "circle":
        cv2.circle(mask, (128, 128), 110, 255, -1)
    elif kind == "ring":
        cv2.circle(mask, (128, 128), 90, 255, 40)
    elif kind == "square":
        cv2.rectangle(mask, (28, 28), (228, 228), 255, -1)
    elif kind == "triangle":
        cv2.fillPoly(mask, [np.array([[128, 20], [236, 226], [20, 226]], np.int32)], 255)
    elif kind == "diamond":
        cv2.fillPoly(mask, [np.array([[128, 12], [230, 128], [128, 244], [26, 128]], np.int32)], 255)
    elif kind == "cross":
        mask[96:160, 20:236] = 255
        mask[20:236, 96:160] = 255
    else:
        cv2.putText(mask, kind, (30, 226), cv2.FONT_HERSHEY_SIMPLEX, 9.0, 255, 44)
    image = np.dstack([np.full((side, side, 3), COLOURS[colour], np.uint8), mask])
    return cv2.resize(image, (SPRITE, SPRITE), interpolation=cv2.INTER_AREA)
