"""Kills a job at random moments and looks at what is left: ``python -m benchmarks.kills [kills] [seed]``.

Each kill is a SIGKILL of the job's own process. After it no shard under a final name may differ from an
undisturbed run's, no process may be left, and nothing of ours may be in the temporary directory. After all of
them the same command finishes the job, and every byte must be that of the undisturbed run.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import harness
from zoetrope.samples import write_folder

PICTURES = 300
GONE_SECONDS = 5.0  # for the kernel and the nursery to end every process of a killed job
MARK = "ZOETROPE_KILLS"


def main(kills: int = 40, seed: int = 0) -> None:
    rng = random.Random(seed)
    with _scratch() as scratch:
        source = write_folder(scratch / "pictures", PICTURES)
        temporary = scratch / "temporary"
        temporary.mkdir()
        began = time.monotonic()
        assert _start(source, scratch / "whole", temporary).wait() == 0
        seconds = time.monotonic() - began
        whole, problems, finished = _shards(scratch / "whole"), [], 0
        for number in range(kills):
            if _start_and_kill(source, scratch / "clips", temporary, rng.uniform(0.0, 1.2 * seconds)):
                finished += 1
                shutil.rmtree(scratch / "clips")  # the next job starts from nothing
            problems += [f"kill {number}: {text}" for text in _remains(scratch / "clips", temporary, whole)]
        assert _start(source, scratch / "clips", temporary).wait() == 0
        if _shards(scratch / "clips") != whole:
            problems.append("the finished output differs")
        state = scratch / "clips" / "_zoetrope"
        left = [str(path) for path in (state / "tmp").rglob("*")]
        problems += [f"left in the output: {path}" for path in left]
    results = {"kills": kills, "came too late": finished, "shards": len(whole), "problems": problems}
    print(harness.write("kills", results).read_text())
    sys.exit(1 if problems else 0)


def _start(source: Path, output: Path, temporary: Path) -> subprocess.Popen[bytes]:
    fields = [f"source.uri={source}", f"output={output}", "source.kind=folder", "shard.max_samples=20"]
    environment = {**os.environ, "TMPDIR": str(temporary), MARK: "1"}
    command = [sys.executable, "-m", "zoetrope", "animate", *fields]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _start_and_kill(source: Path, output: Path, temporary: Path, after: float) -> bool:
    """Whether the job had ended before the kill."""
    job = _start(source, output, temporary)
    try:
        job.wait(after)
        return True
    except subprocess.TimeoutExpired:
        job.send_signal(signal.SIGKILL)
        job.wait()
        return False


def _remains(output: Path, temporary: Path, whole: dict[str, str]) -> Iterator[str]:
    deadline = time.monotonic() + GONE_SECONDS
    while (processes := _ours()) and time.monotonic() < deadline:
        time.sleep(0.02)
    if processes:
        yield f"processes {processes} are left"
    for path in temporary.iterdir():
        yield f"left in the temporary directory: {path.name}"
    for name, digest in _shards(output).items():
        if digest != whole[name]:
            yield f"{name} differs"


def _ours() -> list[int]:
    """Processes that a job of this script started, by their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if f"{MARK}=1".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def _shards(output: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in output.glob("*.tar")}


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
