"""A corpus of mutated files through real jobs: ``python -m benchmarks.hostile [inputs] [seed]``.

Seeded, so that a finding can be made again. Good pictures, tars, zips, annotations, tables, Parquet files and
videos are cut off, spliced, repeated, and given absurd numbers and tricks of their own format. Each job must
end and account for every input it has. A file that cannot be planned must be named by one line, exit 2; the
job then runs without it. Every process must stay within `limits`.
"""

from __future__ import annotations

import faulthandler
import io
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import harness, hostile_files
from benchmarks.mutations import mutated
from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from storage.tables import iter_rows
from zoetrope import cli

SECONDS, MEMORY_MB = 20.0, 1024
LONGEST_JOB = 1200.0  # seconds, after which a job hangs
SHARES = {  # of the inputs, in hundredths
    "pictures": 40,
    "tars": 20,
    "zips": 8,
    "annotations": 5,
    "parquet": 8,
    "tables": 9,
    "videos": 10,
}


@dataclass
class Corpus:
    """Mutated files of one kind, and the command that reads them."""

    command: str
    fields: list[str]
    files: list[Path]  # the mutated ones
    one_row_each: bool = False  # must each file have a row of its own?


def main(inputs: int = 1000, seed: int = 0) -> None:
    results: dict[str, Any] = {"inputs": 0, "seed": seed}
    problems: list[str] = []
    for kind, share in SHARES.items():
        with tempfile.TemporaryDirectory() as folder:
            rng = random.Random(f"{seed} {kind}")
            corpus = MAKERS[kind](Path(folder), rng, max(1, inputs * share // 100))
            results[kind], found = _run(corpus, Path(folder))
            results["inputs"] += len(corpus.files)
            problems += [f"{kind}: {text}" for text in found]
            print(kind, results[kind], *found, sep="\n  ", flush=True)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    if max(own, largest) > MEMORY_MB + 512:
        problems.append("a process took more memory than the limit and what it held before")
    results |= {"job, largest, MB": own, "other processes, largest, MB": largest, "problems": problems}
    print(harness.write("hostile", results).read_text())
    sys.exit(1 if problems else 0)


def _run(corpus: Corpus, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Run the job, without the files that it refuses. Returns its figures and what is wrong with it."""
    output, problems, refused = folder / "clips", list[str](), 0
    began = time.monotonic()
    while True:
        code, said = _command(corpus, output)
        if code != 2:
            break
        named = [file for file in corpus.files if file.exists() and str(file) in said]
        if len(said.strip().splitlines()) != 1 or len(named) != 1:
            problems.append(f"exit 2, and not one line that names a file: {said.strip()[:500]}")
            break
        named[0].unlink()
        refused += 1
        if not any(file.exists() for file in corpus.files):
            break
    if code not in (0, 1, 2) or "Traceback" in said:
        problems.append(f"exit {code}: {said.strip()[-500:]}")
    written, failed = _rows(output, SAMPLES_FILE), _rows(output, FAILURES_FILE)
    keys = {row["key"] for row in (*written, *failed)}
    if len(keys) != len(written) + len(failed) or "off by" in said:
        problems.append(f"the accounts are not exact: {said.strip()[-300:]}")
    if corpus.one_row_each and code != 2:
        left = sum(file.exists() for file in corpus.files)
        if len(keys) < left:
            problems.append(f"{left} files gave {len(keys)} rows")
    figures = {
        "files": len(corpus.files),
        "refused at planning": refused,
        "written": len(written),
        "failed": len(failed),
        "seconds": round(time.monotonic() - began, 1),
        "reasons": dict(Counter(row["reason"] for row in failed).most_common()),
    }
    return figures, problems


def _command(corpus: Corpus, output: Path) -> tuple[int, str]:
    """The exit code and the lines of errors and of the summary."""
    out, err = io.StringIO(), io.StringIO()
    faulthandler.dump_traceback_later(LONGEST_JOB, exit=True)
    with redirect_stdout(out), redirect_stderr(err):
        code = cli.main([corpus.command, *corpus.fields, f"output={output}", "max_failure_ratio=1"])
    faulthandler.cancel_dump_traceback_later()
    return code, err.getvalue() if code == 2 else err.getvalue() + out.getvalue()


def _rows(output: Path, name: str) -> list[dict[str, Any]]:
    return list(iter_rows(str(output), name)) if (output / name).exists() else []


LIMITS = [f"limits.seconds={SECONDS}", f"limits.memory_mb={MEMORY_MB}", "clip.size=64", "clip.frames=4"]


def _pictures(folder: Path, rng: random.Random, count: int) -> Corpus:
    source = folder / "pictures"
    source.mkdir()
    files = [source / f"{number:06d}.jpg" for number in range(count)]
    for file in files:
        file.write_bytes(mutated(hostile_files.picture(rng), rng, *hostile_files.PICTURE))
        file.with_suffix(".txt").write_text("a picture")
    fields = ["source.kind=folder", f"source.uri={source}", *LIMITS, "shard.max_samples=200"]
    return Corpus("animate", fields, files, one_row_each=True)


def _archives(folder: Path, count: int, ending: str, make: Callable[[], bytes]) -> list[Path]:
    files = [folder / f"{number:05d}.{ending}" for number in range(count)]
    for file in files:
        file.write_bytes(make())
    return files


def _tars(folder: Path, rng: random.Random, count: int) -> Corpus:
    make = lambda: mutated(hostile_files.tar(rng), rng, *hostile_files.TAR)  # noqa: E731
    files = _archives(folder, count, "tar", make)
    fields = ["source.kind=tars", f"source.uri={folder}/*.tar", *LIMITS]
    return Corpus("animate", fields, files, one_row_each=True)


def _parquet(folder: Path, rng: random.Random, count: int) -> Corpus:
    make = lambda: mutated(hostile_files.table(rng), rng, *hostile_files.PARQUET)  # noqa: E731
    files = _archives(folder, count, "parquet", make)
    fields = ["source.kind=parquet", f"source.uri={folder}/*.parquet", *LIMITS, "shard.max_samples=50"]
    return Corpus("animate", fields, files)


def _zips(folder: Path, rng: random.Random, count: int) -> Corpus:
    (folder / "zips").mkdir()
    files = [folder / "zips" / f"{number:05d}.zip" for number in range(count)]
    names = []
    for file in files:
        inside = [f"{file.stem}-{number}.jpg" for number in range(3)]
        file.write_bytes(mutated(hostile_files.zipped(rng, inside), rng, *hostile_files.ZIP))
        names += inside
    (folder / "c.json").write_bytes(hostile_files.annotations(names, 0))
    fields = ["source.kind=coco", f"source.annotations={folder}/c.json", f"source.images={folder}/zips/*.zip"]
    return Corpus("animate", [*fields, *LIMITS], files)


def _annotations(folder: Path, rng: random.Random, count: int) -> Corpus:
    (folder / "images").mkdir()
    names = [f"{number}.jpg" for number in range(3)]
    for name in names:
        (folder / "images" / name).write_bytes(hostile_files.picture(rng))
    files = [folder / f"{number:05d}.json" for number in range(count)]
    for number, file in enumerate(files):
        good = hostile_files.annotations(names, 10 * number)
        file.write_bytes(mutated(good, rng, *hostile_files.JSON))
    fields = ["source.kind=coco", f"source.annotations={folder}/*.json", f"source.images={folder}/images"]
    return Corpus("animate", [*fields, *LIMITS], files)


def _tables(folder: Path, rng: random.Random, count: int) -> Corpus:
    files = []
    for number in range(count):
        inner = folder / "tables" / f"{number:05d}"
        inner.mkdir(parents=True)
        names = [f"{n}.jpg" for n in range(2)]
        for name in names:
            (inner / name).write_bytes(hostile_files.picture(rng))
        kind = rng.choice(("csv", "jsonl"))
        file = inner / f"captions.{kind}"
        file.write_bytes(mutated(hostile_files.captions(names, kind), rng, *hostile_files.TABLE))
        files.append(file)
    return Corpus("animate", ["source.kind=folder", f"source.uri={folder}/tables", *LIMITS], files)


def _videos(folder: Path, rng: random.Random, count: int) -> Corpus:
    (folder / "videos").mkdir()
    files, rows = [], ["video,caption"]
    for number in range(count):
        ending, good = hostile_files.video(rng)
        file = folder / "videos" / f"{number:05d}.{ending}"
        file.write_bytes(mutated(good, rng, *hostile_files.VIDEO))
        files.append(file)
        rows.append(f"{file.name},a video")
    (folder / "captions.csv").write_text("\n".join(rows) + "\n")
    limits = [f"limits.decode_seconds={SECONDS}", f"limits.memory_mb={MEMORY_MB}", "frames.size=64"]
    fields = [
        "source.kind=csv",
        f"source.videos={folder}/videos",
        f"source.annotations={folder}/captions.csv",
    ]
    return Corpus("import-videos", [*fields, *limits], files, one_row_each=True)


MAKERS: dict[str, Callable[[Path, random.Random, int], Corpus]] = {
    "pictures": _pictures,
    "tars": _tars,
    "zips": _zips,
    "annotations": _annotations,
    "parquet": _parquet,
    "tables": _tables,
    "videos": _videos,
}


if __name__ == "__main__":
    main(*harness.numbers(__doc__, inputs=1000, seed=0))
