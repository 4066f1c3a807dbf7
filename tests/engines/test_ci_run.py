"""`.ci/run` with a stub `make`: a suite that fails twice fails the build, and each shows its closing line."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "run"
# The stub fails as often as FOLDER/TARGET says, and then ends as pytest does.
STUB = """#!/bin/sh
echo "making $1"
left=$(cat "{folder}/$1" 2>/dev/null || echo 0)
if [ "$left" -gt 0 ]; then echo $((left - 1)) > "{folder}/$1"; echo "1 failed in 2.00s"; exit 2; fi
echo "3 passed in 1.00s"
"""


@pytest.fixture
def tools(tmp_path) -> Path:
    """A PATH of its own with what the script calls, and without Java, Maven and Go."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "dirname", "mktemp", "rm", "cat", "sleep", "grep", "tail", "env", "sh"):
        found = next(Path(place) / name for place in ("/bin", "/usr/bin") if (Path(place) / name).exists())
        (folder / name).symlink_to(found)
    write(folder / "make", STUB.format(folder=tmp_path))
    return folder


def write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def run(tools: Path, *engines: str) -> subprocess.CompletedProcess[str]:
    for name in engines:
        write(tools / name, "#!/bin/sh\n")
    environment = {**os.environ, "PATH": str(tools)}
    return subprocess.run([str(SCRIPT)], capture_output=True, text=True, env=environment, timeout=60)


def test_all_suites_run_and_show_their_closing_lines(tools):
    done = run(tools, "java", "mvn", "go")
    assert done.returncode == 0, done.stderr
    titles = [line for line in done.stdout.splitlines() if line.startswith("===")]
    assert titles == [
        *(f"=== make test-{name}" for name in ("gcs", "prism", "flink", "spark")),
        "=== engine suites",
    ]
    assert "flink  exit 0: 3 passed in 1.00s" in done.stdout


def test_a_suite_that_fails_once_is_tried_again(tools, tmp_path):
    (tmp_path / "test-flink").write_text("1")
    done = run(tools, "java", "mvn", "go")
    assert done.returncode == 0
    assert "second and last try" in done.stdout


@pytest.mark.parametrize("name", ["test-flink", "test-prism"])
def test_a_suite_that_fails_twice_fails_the_build(tools, tmp_path, name):
    (tmp_path / name).write_text("2")
    done = run(tools, "java", "mvn", "go")
    assert done.returncode == 1
    assert "exit 2: 1 failed in 2.00s" in done.stdout
    assert done.stdout.count("exit 0: 3 passed") == 3, "the other suites run all the same"


def test_a_gate_that_fails_ends_the_build_at_once(tools, tmp_path):
    (tmp_path / "check").write_text("1")
    done = run(tools, "java", "mvn", "go")
    assert done.returncode != 0
    assert "test-flink" not in done.stdout


def test_engines_that_cannot_run_are_named(tools):
    done = run(tools)
    assert done.returncode == 0, done.stderr
    assert "need Java and Maven" in done.stdout
    assert "need Go" in done.stdout
