"""The job on Beam's direct runner, compared with a bare loop and a bare pool of processes.

``python -m benchmarks.job [clips] [rounds]``. Building and starting a graph costs about 0.4 s, so few clips
say little. Beside them is the naive Beam form, in which clips pass a GroupByKey before they are written. All
read the same pictures and write the same shards. The times of both pools include the start of their
processes, which read the pictures too. `--gpu` measures the whole command with and without a GPU,
``--workers 1,2,4,8,16`` how the job grows with its worker processes (`benchmarks.job_workers`).
"""

from __future__ import annotations

import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import harness
from pipelines.making.clip_worker import read_reference
from pipelines.making.config import ShardConfig
from pipelines.sources.base import Source, make_source
from pipelines.sources.config import SourceConfig
from pipelines.workers.shared import available_cores
from schemas.records import Reference, Task
from storage.shards.write import ShardWriter
from transforms.clip import Clip, make_clip
from transforms.rendering.opencv import prepare_worker
from transforms.settings import ClipSettings
from zoetrope.samples import write_folder

PER_SHARD = 100
SETTINGS = ClipSettings()


def clip_of(reference: Reference) -> tuple[str, Clip]:
    return reference.key, make_clip(read_reference(reference), reference, SETTINGS)


def references(source: Source, task: Task) -> list[Reference]:
    return [item for item in source.read(task) if isinstance(item, Reference)]


def write_shard(path: Path, clips: list[tuple[str, Clip]]) -> None:
    with path.open("wb") as stream:
        writer = ShardWriter(stream)
        for key, clip in clips:
            writer.write(key, clip.members)
        writer.close()


def loop(source: Source, folder: Path) -> None:
    prepare_worker()
    for task in source.plan():
        write_shard(folder / f"{task.index:05d}.tar", [clip_of(r) for r in references(source, task)])


def pool(source: Source, folder: Path, cores: int) -> None:
    """`multiprocessing.Pool`, which hands out samples by fours and takes them in order. It has no limits."""
    with multiprocessing.get_context("spawn").Pool(cores, initializer=prepare_worker) as workers:
        tasks = list(source.plan())
        clips = workers.imap(clip_of, [r for task in tasks for r in references(source, task)], chunksize=4)
        for task in tasks:
            write_shard(folder / f"{task.index:05d}.tar", [next(clips) for _ in range(task.samples)])


def job(source: Source, folder: Path, cores: int) -> None:
    """Beam is imported here: the processes of the bare pool import this module, and should not pay for Beam."""
    import apache_beam as beam

    from pipelines.making.clips import Animator
    from pipelines.running.engine import choose_runner
    from pipelines.running.graph import JobSpec, MakeShards

    runner = choose_runner((), cores)
    spec = JobSpec(str(folder), "benchmark", ShardConfig(max_samples=PER_SHARD))
    pipeline = beam.Pipeline(runner=runner.runner, options=runner.options)
    maker = Animator(source, SETTINGS, device="cpu", workers=cores)
    _ = pipeline | beam.Create(list(source.plan())) | MakeShards(maker, spec)
    pipeline.run().wait_until_finish()


def naive(source: Source, folder: Path) -> None:
    """The form that one writes first: clips as elements, grouped by shard."""
    import apache_beam as beam

    from pipelines.running.engine import choose_runner

    runner = choose_runner((), 1)
    tasks = list(source.plan())
    pipeline = beam.Pipeline(runner=runner.runner, options=runner.options)
    _ = (
        pipeline
        | beam.Create([(task.index, r) for task in tasks for r in references(source, task)])
        | beam.Reshuffle()
        | beam.MapTuple(lambda index, reference: (index, clip_of(reference)))
        | beam.GroupByKey()
        | beam.MapTuple(
            lambda index, clips: write_shard(folder / f"{index:05d}.tar", sorted(clips, key=lambda c: c[0]))
        )
    )
    pipeline.run().wait_until_finish()


def main(clips: int = 2000, rounds: int = 5) -> None:
    cores = available_cores()
    with tempfile.TemporaryDirectory() as folder:
        pictures = write_folder(Path(folder) / "pictures", clips)
        source = make_source(SourceConfig(kind="folder", uri=str(pictures)), shard_samples=PER_SHARD)
        seconds = harness.interleave(
            {
                "loop": fresh(folder, lambda out: loop(source, out)),
                "pool": fresh(folder, lambda out: pool(source, out, cores)),
                "job, one worker": fresh(folder, lambda out: job(source, out, 1)),
                "job, all cores": fresh(folder, lambda out: job(source, out, cores)),
                "naive Beam": fresh(folder, lambda out: naive(source, out)),
            },
            rounds=rounds,
            warm_up=1,
        )
    results = {
        "clips": clips,
        "cores": cores,
        "clips_per_second": {
            name: harness.spread([clips / s for s in values], 1) for name, values in seconds.items()
        },
        "job over loop, one worker": harness.ratio(seconds, "job, one worker", "loop"),
        "job over pool, all cores": harness.ratio(seconds, "job, all cores", "pool"),
        "wanted": 0.97,
    }
    print(harness.write("job", results).read_text())


def fresh(folder: str, run: Callable[[Path], None]) -> Callable[[], None]:
    """The same into an empty folder each time."""

    def case() -> None:
        out = Path(folder) / f"out-{time.monotonic_ns()}"
        out.mkdir()
        run(out)
        shutil.rmtree(out)

    return case


if __name__ == "__main__":
    if sys.argv[1:2] == ["--gpu"]:
        from benchmarks import job_gpu

        raise SystemExit(job_gpu.main(sys.argv[2:]))
    if sys.argv[1:2] == ["--workers"]:
        from benchmarks import job_workers

        raise SystemExit(job_workers.main(sys.argv[1:]))
    main(*harness.numbers(__doc__, clips=2000, rounds=5))
