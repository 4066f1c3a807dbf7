"""A job without pictures, for the tests of the machinery: text in, samples of a few bytes out. Importable by
workers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.making.config import ShardConfig
from pipelines.making.maker import Made, StageTimes
from pipelines.output.job import Job
from schemas.records import Failure, Reason, Stage, Task

ROW = {"caption": "a dot", "motion": "static", "frames": 1, "width": 8, "height": 8, "original_width": 8}
ROW |= {"original_height": 8, "zoom": 1.0, "source": "tiny", "url": None, "image_id": None}


@dataclass(frozen=True)
class TinyMaker:
    """Every `fails`-th input fails; each takes `seconds`."""

    fails: int = 0
    seconds: float = 0.0
    gone: str | None = None  # a file that must exist: the source

    def setup(self) -> None:
        pass

    def close(self) -> None:
        pass

    def make(self, task: Task, times: StageTimes) -> Iterator[Made | Failure]:
        if self.gone is not None and not Path(self.gone).exists():
            raise FileNotFoundError(f"{self.gone}: no such file")
        for number in range(task.payload["start"], task.payload["start"] + task.payload["count"]):
            key = f"tiny-{number:06d}"
            if task.keys is not None and key not in task.keys:
                continue
            time.sleep(self.seconds)
            if self.fails and number % self.fails == 0:
                yield Failure(key, Stage.FETCH, Reason.TIMEOUT, "slow")
            else:
                yield Made.of(key, {"jpg": key.encode() * 50, "txt": b"a dot", "json": b"{}"}, ROW)


class ListenersSeen(TinyMaker):
    """Each sample says on which addresses its process, the submitter, listens."""

    def make(self, task: Task, times: StageTimes) -> Iterator[Made | Failure]:
        for made in super().make(task, times):
            assert isinstance(made, Made)
            seen = " ".join(sorted(listening(os.getpid()))).encode()
            yield Made.of(made.key, {"txt": seen, "json": b"{}"}, made.row)


def listening(process: int) -> set[str]:
    """Local addresses that a process listens on, as the kernel's tables write them."""
    links = [os.readlink(link) for link in Path(f"/proc/{process}/fd").iterdir() if link.is_symlink()]
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return {
        fields[1].partition(":")[0]
        for fields in lines
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in links
    }


def tiny_tasks(tasks: int, samples: int) -> list[Task]:
    return [Task(i, samples, {"start": i * samples, "count": samples}) for i in range(tasks)]


def tiny_job(
    tasks: int = 4,
    samples: int = 5,
    *,
    maker: TinyMaker | None = None,
    reverse: bool = False,
    **identity,
) -> Job:
    planned = tiny_tasks(tasks, samples)
    return Job(
        kind="animate",
        config={"store": "still", "source": {"kind": "tiny"}, "tasks": tasks},
        identity={"tasks": tasks, "samples": samples, **identity},
        tasks=lambda: iter(planned[::-1] if reverse else planned),
        maker=maker or TinyMaker(),
        shard=ShardConfig(),
    )
