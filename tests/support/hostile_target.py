"""A target for the pool of workers that does what broken pictures make decoders do. Importable by workers."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.errors import JobError

BACKTRACKS = re.compile(r"(a*)*b")


@dataclass(frozen=True)
class HostileTarget:
    """`act(item)` answers with the item unless the item names something worse."""

    marks: str = ""  # folder in which some acts leave a file
    broken: str = ""  # what `setup` raises

    def setup(self) -> None:
        if self.broken == "exit":
            os._exit(7)
        if self.broken:
            raise JobError(self.broken)

    def act_in_stages(self, items: tuple[Any, ...]) -> Generator[None, None, list[Any]]:
        """`act` on one item in each stage. Other samples may have fewer stages."""
        found = []
        for item in items:
            found.append(self.act(item))
            yield
        return found

    def act(self, item: Any) -> Any:
        if isinstance(item, str) and item.startswith("mark "):
            Path(item.removeprefix("mark ")).touch()
        if item == "spin":
            BACKTRACKS.match("a" * 60)  # holds the interpreter's lock for years
        if item == "sleep":
            time.sleep(3600)
        if isinstance(item, tuple) and item[0] == "compute":  # for so many seconds, on this core alone
            os.sched_setaffinity(0, {item[2]})
            end = time.process_time() + item[1]
            while time.process_time() < end:
                pass
        if isinstance(item, float) and item < 0.5:
            time.sleep(item)
        if item == "memory":
            return len(bytearray(600 << 20))
        if item == "crash":
            ctypes.string_at(0)
        if item == "exit":
            raise SystemExit(3)
        if item == "killed once":
            mark = Path(self.marks) / "killed"
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        if item == "raise":
            raise ValueError("the method's own")
        if item == "process":
            return os.getpid()
        return item
