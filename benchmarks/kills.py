"""Kills a job at random moments and looks at what is left: ``python -m benchmarks.kills [kills] [seed]``.

A kill is a SIGTERM, a SIGHUP or a SIGKILL. The latter hits the whole process group, the job's own process, or
one of its workers, readers and nurseries. Only kills that hit a running job count. After each of them no
shard under a final name may differ from an undisturbed run's. No process may be left, and nothing of ours may
be in the temporary directory. After all of them the same command finishes the job, and every byte must be
that of the undisturbed run. A job that lost a worker must go on to its end and write the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks import harness
from zoetrope.samples import write_folder

PICTURES, PER_TAR = 120, 10
GONE_SECONDS = 5.0  # for the kernel and the nursery to end every process of a killed job
STOP_SECONDS = 60.0  # for a job to heed a signal, on a busy machine
MARK = "ZOETROPE_KILLS"  # in the environment of every process of our jobs, with our process id
WAYS = ("group", "parent", "worker", "SIGTERM", "SIGHUP")


def main(kills: int = 40, seed: int = 0) -> None:
    rng = random.Random(seed)
    problems: list[str] = []
    done: Counter[str] = Counter()
    late = 0
    signal.signal(signal.SIGHUP, lambda *_: None)  # a job would inherit that it is ignored, as under nohup
    with tempfile.TemporaryDirectory() as folder:
        trial = _Trial(Path(folder))
        while sum(done.values()) < kills:
            way = WAYS[sum(done.values()) % len(WAYS)]
            found = trial.kill(way, rng)
            if found is None:
                late += 1
                continue
            done[way] += 1
            print(f"kill {sum(done.values())} ({way}): {found or 'nothing is wrong'}", flush=True)
            problems += [f"kill {sum(done.values())} ({way}): {text}" for text in found]
        problems += trial.finish()
        shards = len(trial.whole)
    results = {
        "kills": kills,
        "ways": dict(done),
        "came too late, and were repeated": late,
        "shards": shards,
        "problems": problems,
    }
    print(harness.write("kills", results).read_text())
    sys.exit(1 if problems else 0)


class _Trial:
    """One source, the shards of an undisturbed run, and an output that is killed again and again."""

    def __init__(self, scratch: Path) -> None:
        self._source = _tars(scratch)
        self._output, self._temporary = scratch / "clips", scratch / "temporary"
        self._temporary.mkdir()
        began = time.monotonic()
        assert self._start(scratch / "whole").wait() == 0
        self._seconds = time.monotonic() - began
        self.whole = _shards(scratch / "whole")

    def kill(self, way: str, rng: random.Random) -> list[str] | None:
        """Start the job and kill it. Returns what is wrong then; None if it had ended before."""
        job = self._start(self._output)
        if rng.random() < 0.75:  # else it may still import and plan
            self._wait_until_running(job)
            after = rng.uniform(0.0, 0.5 * self._seconds)
        else:
            after = rng.uniform(0.0, self._seconds)
        try:
            job.wait(after)
        except subprocess.TimeoutExpired:
            found = self._hit(job, way, rng)
            return None if found is None else [*found, *self._remains()]
        self._begin_again()
        return None

    def finish(self) -> list[str]:
        """Run the job to its end. Returns what differs from the undisturbed run."""
        if self._start(self._output).wait() != 0:
            return ["the job cannot be finished"]
        return [*self._compare_whole(), *self._remains()]

    def _hit(self, job: subprocess.Popen[bytes], way: str, rng: random.Random) -> list[str] | None:
        if way == "worker":
            return self._hit_worker(job, rng)
        if way == "group":
            os.killpg(job.pid, signal.SIGKILL)
        elif way == "parent":
            job.kill()
        else:
            job.send_signal(signal.Signals[way])
        try:
            code = job.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            job.kill()
            return [f"did not end within {STOP_SECONDS:g} seconds"]
        if way in ("group", "parent"):
            return []
        if code == 0:  # it ended in this moment
            self._begin_again()
            return None
        said = [] if code in (130, -signal.Signals[way]) else [f"exit code {code}"]
        return said + [f"left in the output: {path.name}" for path in self._leftovers()]

    def _hit_worker(self, job: subprocess.Popen[bytes], rng: random.Random) -> list[str] | None:
        others = [process for process in _ours() if process != job.pid]
        if not others:
            job.kill()
            job.wait()
            return None
        try:
            os.kill(rng.choice(others), signal.SIGKILL)
        except ProcessLookupError:
            return None
        finally:
            code = job.wait()
        found = [] if code == 0 else [f"exit code {code}"]
        found += self._compare_whole()
        self._begin_again()
        return found

    def _compare_whole(self) -> list[str]:
        differs = [] if _shards(self._output) == self.whole else ["the finished output differs"]
        return differs + [f"left in the output: {path.name}" for path in self._leftovers()]

    def _leftovers(self) -> list[Path]:
        return list((self._output / "_zoetrope" / "tmp").rglob("*"))

    def _begin_again(self) -> None:
        shutil.rmtree(self._output, ignore_errors=True)

    def _wait_until_running(self, job: subprocess.Popen[bytes]) -> None:
        while job.poll() is None and not self._leftovers():
            time.sleep(0.01)

    def _start(self, output: Path) -> subprocess.Popen[bytes]:
        fields = ["source.kind=tars", f"source.uri={self._source}/*.tar", f"output={output}"]
        environment = {**os.environ, "TMPDIR": str(self._temporary), MARK: str(os.getpid())}
        command = [sys.executable, "-m", "zoetrope", "animate", *fields, "encode.format=png"]
        quiet = subprocess.DEVNULL
        return subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet, start_new_session=True)

    def _remains(self) -> Iterator[str]:
        deadline = time.monotonic() + GONE_SECONDS
        while (processes := _ours()) and time.monotonic() < deadline:
            time.sleep(0.02)
        if processes:
            yield f"processes {processes} are left"
        for path in self._temporary.iterdir():
            yield f"left in the temporary directory: {path.name}"
        for name, digest in _shards(self._output).items():
            if digest != self.whole.get(name):
                yield f"{name} differs"


def _tars(scratch: Path) -> Path:
    """Pictures and captions in tars: a source that is read in processes of its own."""
    folder = write_folder(scratch / "pictures", PICTURES)
    target = scratch / "tars"
    target.mkdir()
    pictures = sorted(folder.glob("*.jpg"))
    for first in range(0, len(pictures), PER_TAR):
        with tarfile.open(target / f"{first:05d}.tar", "w") as archive:
            for picture in pictures[first : first + PER_TAR]:
                _add(archive, picture.name, picture.read_bytes())
                _add(archive, picture.with_suffix(".txt").name, f"a picture, {picture.stem}".encode())
    return target


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def _ours() -> list[int]:
    """Processes that a job of this script started, by their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if f"{MARK}={os.getpid()}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def _shards(output: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in output.glob("*.tar")}


if __name__ == "__main__":
    main(*harness.numbers(__doc__, kills=40, seed=0))
