"""The whole job on Prism, Beam's portable runner: byte-identical to the direct runner."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[2]
PRISM = ROOT / ".cache" / "engines" / "prism"
pytestmark = [
    pytest.mark.prism,
    pytest.mark.skipif(not PRISM.exists(), reason="no prism: `make test-prism` builds it with Go"),
]


def animate(source: Path, output: Path, *beam: str) -> subprocess.CompletedProcess[str]:
    """The command as a user types it."""
    command = [
        sys.executable,
        "-m",
        "zoetrope.cli",
        "animate",
        "--config",
        str(ROOT / "configs" / "animate" / "folder.yaml"),
    ]
    command += [
        f"source.uri={source}",
        f"output={output}",
        "clip.size=64",
        "clip.frames=4",
        "shard.max_samples=5",
    ]
    return subprocess.run(
        [*command, *(["--", *beam] if beam else [])], capture_output=True, text=True, timeout=300, cwd=ROOT
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    from zoetrope.samples import write_folder

    folder = write_folder(tmp_path_factory.mktemp("corpus") / "photos", 24, long_side=240)
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "broken.txt").write_text("nothing to see")
    return folder


@pytest.fixture(scope="module")
def direct(source, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("direct") / "clips"
    done = animate(source, output)
    assert done.returncode == 0, done.stderr
    return output


def check_same(direct: Path, other: Path) -> None:
    """Compare shards to the byte and tables to the row, and find nothing left over."""
    shards = {path.name: path.read_bytes() for path in direct.glob("*.tar")}
    assert shards
    assert shards == {path.name: path.read_bytes() for path in other.glob("*.tar")}
    for name in ("manifest.parquet", "samples.parquet", "failures.parquet"):
        assert pq.read_table(direct / name).equals(pq.read_table(other / name)), name
    left = [
        path for path in other.rglob("*") if "tmp" in path.relative_to(other).parts or path.name == "lock"
    ]
    assert not left


def test_shards_are_those_of_the_direct_runner(source, direct, tmp_path):
    done = animate(source, tmp_path / "clips", "--runner=PrismRunner", f"--prism_location={PRISM}")
    assert done.returncode == 0, done.stderr
    assert "PrismRunner" in done.stderr
    assert "INFO:" not in done.stderr, "lines of the server"
    assert "WARNING:" not in done.stderr
    check_same(direct, tmp_path / "clips")


def test_a_worker_pool_of_processes(source, direct, tmp_path):
    """The runner starts workers in processes that share nothing with the submitter, as on a cluster."""
    from clusters.pools import WorkerPool

    with WorkerPool(tmp_path / "pool.log") as pool:
        done = animate(
            source, tmp_path / "clips", "--runner=PrismRunner", f"--prism_location={PRISM}",
            "--environment_type=EXTERNAL", f"--environment_config={pool.address}",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    check_same(direct, tmp_path / "clips")


def test_an_error_of_a_worker_is_one_line(source, tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "_zoetrope").write_text("a file where the job's folder should be")
    done = animate(source, tmp_path / "clips", "--runner=PrismRunner", f"--prism_location={PRISM}")
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
