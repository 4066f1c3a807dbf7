"""Marks of captions and pictures: equal or close marks mean the same caption or picture."""

from __future__ import annotations

import hashlib
import re

import cv2
import numpy as np

_HASHED = 32  # side of the picture whose frequencies are taken, pixels
_KEPT = 8  # lowest frequencies across and down
_PARTS = re.compile(r"\w+")


def caption_mark(caption: str) -> bytes:
    """16 bytes of BLAKE2b over the caption's words, letter case, spaces and punctuation ignored."""
    words = " ".join(_PARTS.findall(caption.casefold()))
    return hashlib.blake2b((words or caption).encode(), digest_size=16).digest()


def bytes_mark(data: bytes) -> bytes:
    """The first 16 bytes of the SHA-256 of an encoded picture."""
    return hashlib.sha256(data).digest()[:16]


def perceptual_mark(grey: np.ndarray) -> bytes:
    """The 64-bit pHash (Zauner 2010, as in the library imagehash) of luma uint8 [H,W], 8 bytes, big-endian.

    A bit is 1 if one of the 8x8 lowest frequencies of the 32x32 picture exceeds their median. Copies that
    were scaled, compressed or slightly recoloured differ in a few bits; crops and mirrored copies in many.
    """
    small = cv2.resize(grey, (_HASHED, _HASHED), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:_KEPT, :_KEPT].ravel()
    # Frequencies that are 0 but for rounding must not decide: a blank picture has nothing else.
    low = np.where(np.abs(low) < 0.01, np.float32(0), low)
    return np.packbits(low > np.median(low)).tobytes()
