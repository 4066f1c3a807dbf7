"""Run jobs that last long enough to be interrupted on a cluster of this machine, and find its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from held_filter import HOLD

from clusters import supervisor
from clusters.forks import NAME

ROOT = Path(__file__).parents[2]
PICTURES, TASKS = 400, 81  # a broken picture comes on top
ONE_WORKER, MIDDLE = (
    5,
    12,
)  # tasks that one held worker makes at least; more than it makes, and less than two do
SECONDS = 240.0  # for what takes few of them on a machine that is not busy
LOOPBACK = {
    "0100007F",
    "0000000000000000FFFF00000100007F",
    "00000000000000000000000001000000",
}  # as the kernel writes it

_started: list[subprocess.Popen[str]] = []


def write_source(folder: Path) -> Path:
    """Write pictures with captions, and one file that is no picture."""
    from zoetrope.samples import write_folder

    write_folder(folder, PICTURES, long_side=480)
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "broken.txt").write_text("nothing to see")
    return folder


@contextmanager
def job_holder(folder: Path) -> Iterator[Path]:
    """Let a file hold the jobs of `start` in their middle, here and on a cluster that is started in this block."""
    path = folder / "hold"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOLD, str(path))
        patch.setenv("PYTHONPATH", str(ROOT / "tests" / "support"), prepend=os.pathsep)
        yield path


@contextmanager
def held_jobs(path: Path) -> Iterator[None]:
    """Hold jobs until the test removes the file. Nothing that the test has started runs on after this block."""
    path.touch()
    _started.clear()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        for job in _started:
            job.kill()
            job.communicate()


def start(source: Path, output: Path, *rest: str) -> subprocess.Popen[str]:
    """Start the command as a user types it, on a job that can be held (`job_holder`)."""
    fields = [
        f"source.uri={source}",
        f"output={output}",
        "clip.size=256",
        "clip.frames=16",
        "shard.max_samples=5",
        "workers=1",  # a cluster of this machine has more slots than it has cores
        "filters=[held_filter:held]",
        "limits.seconds=600",
    ]
    return run("animate", "animate/folder", *fields, *rest)


def run(command: str, config: str, *rest: str) -> subprocess.Popen[str]:
    whole = [
        sys.executable,
        "-m",
        "zoetrope.cli",
        command,
        "--config",
        str(ROOT / "configs" / f"{config}.yaml"),
        *rest,
    ]
    job = subprocess.Popen(
        whole, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_hear_ctrl_c
    )
    _started.append(job)
    return job


def _hear_ctrl_c() -> None:
    """Hear Ctrl-C as from a terminal: a shell has its background commands ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def finish(job: subprocess.Popen[str], code: int = 0) -> str:
    """Wait for the end of a job. Returns its messages."""
    try:
        out, err = job.communicate(timeout=480)
    except subprocess.TimeoutExpired:
        job.kill()
        out, err = job.communicate()
        raise AssertionError(f"it does not end, and said: {out}{err}") from None
    assert job.returncode == code, out + err
    assert "Traceback" not in err
    return err


def wait_for(what: Callable[[], bool], seconds: float = SECONDS) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def wait_while(job: subprocess.Popen[str], what: Callable[[], bool]) -> None:
    """Wait as long as something is so. The job must not end meanwhile."""
    wait_for(lambda: job.poll() is not None or not what(), 400)
    assert job.poll() is None, job.communicate()


def wait_for_the_middle(job: subprocess.Popen[str], output: Path, new: int = MIDDLE) -> None:
    """Wait until a held job that was just started has made tasks.

    An earlier job may have left records. A signal that comes before this job has made its own meets an
    interpreter that is starting, which dies of it.
    """
    earlier = written_records(output)
    wait_while(job, lambda: len(written_records(output)) < len(earlier) + new)
    assert len(written_records(output)) < TASKS, "it is held"


def written_records(output: Path) -> dict[str, int]:
    """List the records of tasks that are done, and when each was written."""
    records = (output / "_zoetrope" / "records").glob("[0-9]*.parquet")
    return {path.name: path.stat().st_mtime_ns for path in records}


def processes_of(group: int) -> list[int]:
    """Find the process ids of a group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[2] == str(group) and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return sorted(found)


def workers_of(state: Path) -> list[int]:
    """Find the process ids of all that a cluster's pool has started: Beam workers and their sample processes."""
    pool = supervisor.processes(state)["pool"]
    return sorted(set(processes_of(pool)) - {pool, *children_of(pool)})


def fork_server(state: Path) -> int:
    """Find the process that forks the workers of a cluster's pool."""
    children = children_of(supervisor.processes(state)["pool"])
    return next(child for child in children if "multiprocessing.forkserver" in command_of(child))


def harnesses(state: Path) -> list[int]:
    """Find the process ids of the Beam workers that a cluster's pool has started."""
    return [process for process in workers_of(state) if name_of(process) == NAME.decode()]


def at_work(state: Path) -> list[int]:
    """Find the Beam workers that have a task. Others start, or end, or were left by an earlier job."""
    return [worker for worker in harnesses(state) if children_of(worker)]


def children_of(process: int) -> list[int]:
    """Find the process ids of the programs that a process has started.

    A Beam worker starts its sample processes with its first task.
    """
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[1] == str(process):
            found.append(int(stat.parent.name))
    return found


def command_of(process: int) -> str:
    """Its command; "" if it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def name_of(process: int) -> str:
    """Its name; "" if it has ended."""
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def on_loopback_alone(groups: Iterable[int]) -> bool:
    """Do these processes listen on loopback only?"""
    sockets = {
        socket for group in groups for process in processes_of(group) for socket in _sockets_of(process)
    }
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                found.add(fields[1].rpartition(":")[0])
    return found <= LOOPBACK


def _sockets_of(process: int) -> set[str]:
    """Find the inodes of the sockets of a process, which may end meanwhile, and close files."""
    found = set()
    with suppress(FileNotFoundError, ProcessLookupError):
        for link in Path(f"/proc/{process}/fd").iterdir():
            with suppress(FileNotFoundError):
                name = os.readlink(link)
                if name.startswith("socket:["):
                    found.add(name[8:-1])
    return found
