"""The pictures that the studio may show: those named at the start, and those that visitors have dropped."""

from __future__ import annotations

import os
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

import numpy as np

from preview.show.animation import encode_webp, shrink
from preview.show.stills import check_header, decode_picture, find_pictures, read_bytes
from schemas.errors import ConfigError
from schemas.text import human_bytes
from transforms.media.pictures import PictureLimits, read_header

MOST_GIVEN = 500
MOST_DROPPED = 200
MOST_DROPPED_BYTES = 256 * 1024 * 1024  # of all dropped files together; the oldest are removed first
MAX_UPLOAD = 32 * 1024 * 1024
THUMB_SIDE = 160


class UnknownPictureError(ConfigError):
    """No picture has this id. It was never given, or newer ones have replaced it."""


@dataclass(frozen=True)
class StudioPicture:
    """One picture with the id that the page uses for it."""

    id: str
    name: str  # file name
    uri: str | None  # None for a dropped picture
    data: bytes | None = None  # encoded bytes of a dropped picture


class PictureBook:
    """Pictures by id, for several threads. No id gives access to a file that was not found at the start.

    `samples` says that the given pictures are those of the package, because the user has named none.
    """

    def __init__(self, given: Sequence[str] = (), *, samples: bool = False) -> None:
        self.samples = samples
        uris = []
        if given:
            uris = [uri for uri in find_pictures(given, most=MOST_GIVEN) if _stays_inside(uri, given)]
        for uri in set(given).intersection(uris):  # named one by one: report mistakes before the first click
            check_header(read_bytes(uri), uri)
        self._given = {
            f"p{i}": StudioPicture(f"p{i}", uri.rsplit("/", 1)[-1], uri) for i, uri in enumerate(uris)
        }
        self._dropped: OrderedDict[str, StudioPicture] = OrderedDict()
        self._lock = Lock()
        self.image = lru_cache(maxsize=4)(self._image)
        self.small = lru_cache(maxsize=64)(self._small)
        self.thumb = lru_cache(maxsize=256)(self._thumb)

    @property
    def given(self) -> list[StudioPicture]:
        """The pictures named at the start.

        Dropped pictures are visible only to the visitor who dropped them.
        """
        return list(self._given.values())

    def add(self, data: bytes, name: str) -> StudioPicture:
        """Keep a dropped picture under an id that cannot be guessed.

        Raises ConfigError if it is no picture, or too large.
        """
        if len(data) > MAX_UPLOAD:
            raise ConfigError(f"{name}: larger than {human_bytes(MAX_UPLOAD)}")
        decode_picture(data, name)
        picture = StudioPicture(secrets.token_urlsafe(18), name, None, data)
        with self._lock:
            self._dropped[picture.id] = picture
            while (
                len(self._dropped) > MOST_DROPPED
                or sum(len(p.data or b"") for p in self._dropped.values()) > MOST_DROPPED_BYTES
            ):
                self._dropped.popitem(last=False)
        return picture

    def find(self, id: str) -> StudioPicture:
        """Return a picture by id. Raises UnknownPictureError."""
        with self._lock:
            picture = self._given.get(id) or self._dropped.get(id)
        if picture is None:
            raise UnknownPictureError("this picture is no longer here; choose or drop it again")
        return picture

    def data(self, id: str) -> bytes:
        """Return the encoded bytes."""
        picture = self.find(id)
        if picture.data is not None:
            return picture.data
        return read_bytes(picture.uri or "")

    def size(self, id: str) -> tuple[int, int]:
        """Return (H, W) in pixels, from the header."""
        return read_header(self.data(id), PictureLimits()).size

    def _image(self, id: str) -> np.ndarray:
        return decode_picture(self.data(id), self.find(id).name).image_HWC

    def _small(self, id: str) -> np.ndarray:
        """At most 480 pixels per side, which is enough for the tiles of the gallery."""
        return shrink(self.image(id)[None], longest=480)[0]

    def _thumb(self, id: str, side: int = THUMB_SIDE) -> bytes:
        source = self.image(id) if side > 480 else self.small(id)
        return encode_webp(shrink(source[None], longest=side), fps=1, quality=80, method=0)


def _stays_inside(uri: str, given: Sequence[str]) -> bool:
    """Is a local picture one of the named files, or, with links followed, in one of the named folders?"""
    if "://" in uri:
        return True
    real = os.path.realpath(uri)
    for name in given:
        folder = None
        if os.path.isdir(name):
            folder = name
        elif any(c in name for c in "*?["):
            folder = os.path.dirname(name)
        if folder is None and os.path.realpath(name) == real:
            return True
        if folder is not None and real.startswith(os.path.join(os.path.realpath(folder), "")):
            return True
    return False
