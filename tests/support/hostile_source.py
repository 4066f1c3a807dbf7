"""A source whose parser does what hostile bytes make parsers do. Importable by reader processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from hostile_target import HostileTarget

from pipelines.sources.base import Loss, Source
from schemas.records import Failure, Reference, Task
from storage.login import get_options


class HostileSource(Source):
    """Each row is a caption that `HostileTarget` acts on while it is read, or planned under ``plan:``."""

    @property
    def plans_apart(self) -> bool:
        return True

    def fingerprint(self) -> dict[str, Any]:
        return {"rows": len(self.config.options["rows"]), "process": os.getpid()}

    def plan(self) -> Iterator[Task]:
        for act in self.config.options.get("plan", ()):
            self.progress(f"{act}.json")
            HostileTarget().act(act)
        yield from self.tasks(self.config.options["rows"])

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        for number, row in enumerate(task.payload["rows"], start=task.payload.get("first", 0)):
            HostileTarget().act(row)
            caption = {"process": str(os.getpid()), "stores": str(get_options())}.get(row, row)
            if row == "gone":
                raise FileNotFoundError("nowhere")
            image = b"<html>" if row == "text" else b"GIF89a"
            yield Reference(f"k{task.index}-{number}", (caption,), "hostile", image=image)

    def lose(self, task: Task, done: int) -> Loss:
        first = task.payload.get("first", 0) + done
        rows = task.payload["rows"][done + 1 :]
        rest = replace(task, payload={"rows": rows, "first": first + 1}) if rows else None
        return Loss((f"k{task.index}-{first}",), "a.tar", rest)
