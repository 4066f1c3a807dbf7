"""Filters over the whole input and outputs that grow, on Prism, with the submitter killed in mid-pass: the
bytes, verdicts and accounts of the direct runner.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from engine_runs import children_of, command_of, finish, run, wait_for

from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from storage.tables import iter_rows
from tests.engines.test_prism import PRISM, check_same
from zoetrope import cli

pytestmark = [
    pytest.mark.prism,
    pytest.mark.skipif(not PRISM.exists(), reason="no prism: `make test-prism` builds it with Go"),
]
BEAM = ["--", "--runner=PrismRunner", f"--prism_location={PRISM}"]
SMALL = ["clip.size=32", "clip.frames=2", "shard.max_samples=2", "workers=1"]
RULES = (
    "filters=[{name: repeated_captions, max: 4}, exact_duplicates, {name: near_duplicates, max_distance: 2}]"
)
PICTURES = 40


@pytest.fixture
def source(tmp_path) -> Path:
    """Pictures, every fifth of them twice, and one file that is no picture."""
    from zoetrope.samples import write_folder

    folder = write_folder(tmp_path / "photos", PICTURES, long_side=480)
    for number, picture in enumerate(sorted(folder.glob("*.jpg"))):
        picture.with_suffix(".txt").write_text(f"photograph number {number}")
        if number % 5 == 0:
            shutil.copy(picture, folder / f"zz-{number}.jpg")
            (folder / f"zz-{number}.txt").write_text("a copy")
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "broken.txt").write_text("nothing to see")
    return folder


def start(source: Path, output: Path, *rest: str) -> subprocess.Popen[str]:
    return run("animate", "animate/folder", f"source.uri={source}", f"output={output}", *SMALL, *rest, *BEAM)


def direct(source: Path, output: Path, *rest: str) -> None:
    assert cli.main(["animate", str(source), f"output={output}", *SMALL, *rest]) == 0


def kill_when(job: subprocess.Popen[str], output: Path, pattern: str, count: int) -> None:
    """Kill the submitter once the output holds this many files of a pattern."""
    end = time.monotonic() + 400
    while job.poll() is None and len(list(output.glob(pattern))) < count:
        assert time.monotonic() < end
        time.sleep(0.005)
    assert job.poll() is None, job.communicate()
    servers = [child for child in children_of(job.pid) if str(PRISM) in command_of(child)]
    assert servers
    job.send_signal(signal.SIGKILL)
    finish(job, -signal.SIGKILL)
    wait_for(lambda: not any(map(command_of, servers)))


def verdicts(output: Path) -> dict[str, bytes]:
    found = (output / "_zoetrope" / "curation" / "verdicts").iterdir()
    return {path.name: path.read_bytes() for path in found}


def test_a_pass_that_is_killed_goes_on_and_grows_with_the_limit(source, tmp_path):
    output, rows = tmp_path / "prism", "_zoetrope/curation/rows/*.parquet"
    direct(source, tmp_path / "direct", RULES, "source.limit=21")
    direct(source, tmp_path / "direct", RULES)
    finish(start(source, output, RULES, "source.limit=21"))
    kept = {path: path.stat().st_mtime_ns for path in output.glob("0000[0-9].tar")}
    kill_when(start(source, output, RULES), output, rows, len(list(output.glob(rows))) + 2)
    seen = {path: path.stat().st_mtime_ns for path in output.glob(rows)}
    finish(start(source, output, RULES))
    check_same(tmp_path / "direct", output)
    assert verdicts(tmp_path / "direct") == verdicts(output)
    assert kept == {path: path.stat().st_mtime_ns for path in kept}, "what is there stays"
    assert seen == {path: path.stat().st_mtime_ns for path in seen}, "no input is read twice"
    written = sum(1 for _ in iter_rows(str(output), SAMPLES_FILE))
    reasons = [row["reason"] for row in iter_rows(str(output), FAILURES_FILE)]
    assert written + len(reasons) == PICTURES + 8 + 1
    assert reasons.count("filtered") >= 8
    assert reasons.count("not_an_image") == 1


def test_a_growth_that_is_killed_goes_on(source, tmp_path):
    later = tmp_path / "later"
    later.mkdir()
    for path in source.glob("*1*"):  # in between the others
        path.rename(later / path.name)
    direct(source, tmp_path / "direct")
    finish(start(source, tmp_path / "prism"))
    shards = len(list((tmp_path / "prism").glob("*.tar")))
    for path in later.iterdir():
        path.rename(source / path.name)
    direct(source, tmp_path / "direct")
    kill_when(start(source, tmp_path / "prism"), tmp_path / "prism", "*.tar", shards + 1)
    finish(start(source, tmp_path / "prism"))
    check_same(tmp_path / "direct", tmp_path / "prism")
