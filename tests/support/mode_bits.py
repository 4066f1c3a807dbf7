"""The mode bits of files count, also where the tests run as root."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3 of linux/capability.h
OVERRIDES = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


@contextmanager
def mode_bits_count() -> Iterator[None]:
    """In this thread, and in threads that it starts, root reads and writes only what the mode bits allow.

    Other users obey them anyway.
    """
    if os.geteuid() != 0:
        yield
        return
    kept = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable: capabilities 0 to 31, then 32 to 63
    _call("capget", kept)
    fewer = (ctypes.c_uint32 * 6)(*kept)
    fewer[0] &= ~OVERRIDES
    _call("capset", fewer)
    try:
        yield
    finally:
        _call("capset", kept)


def _call(name: str, sets: ctypes.Array) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)((ctypes.c_uint32 * 2)(VERSION, 0), sets):
        raise OSError(ctypes.get_errno(), f"{name} fails")
