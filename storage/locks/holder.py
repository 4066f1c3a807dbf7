"""The holder of a lock: how it describes itself, and whether it is still alive."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from schemas.json_text import read_json
from schemas.text import one_line

MOST_PROCESSES = 1 << 31  # no larger number is a process
MOST_SHOWN = 100  # characters of a name in a message


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, for the message to the one who may not have it."""

    process: str
    host: str
    lease: float | None  # seconds after which a dead holder's lease can be taken; None for a kernel lock

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"


def holder_of(content: dict[str, Any], lease: float | None) -> Holder:
    """The holder that the content of a lock names; `lease` in seconds, None for a kernel lock."""
    process, host = (one_line(content.get(name, "?"), MOST_SHOWN) for name in ("pid", "host"))
    return Holder(process, host, lease)


def this_process() -> dict[str, Any]:
    """The content with which this process describes itself in a lock."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "system": system()}


@cache
def system() -> str:
    """This boot of this machine, and its process namespace: where a process number means the same process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def parsed(data: bytes) -> dict[str, Any]:
    """The content of a lock; {} if it is damaged."""
    try:
        value = read_json(data)
    except ValueError:
        return {}  # cut off while it was written
    if isinstance(value, dict):
        return value
    return {}


def looks_alive(holder: dict[str, Any], beat: float) -> bool:
    """Was it written just now by this machine's clock? A wrong clock only refuses, and only for two beats."""
    written, now = holder.get("time"), time.time()
    if not isinstance(written, int | float) or is_dead_here(holder):
        return False
    return now - 2 * beat < written < now + 2 * beat  # no difference: a damaged time may be no float


def is_dead_here(holder: dict[str, Any]) -> bool:
    """Did it run on this very system, and its process has ended?"""
    pid = holder.get("pid")
    if not isinstance(pid, int) or not 0 < pid < MOST_PROCESSES:
        return False
    return holder.get("system") == system() and not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
