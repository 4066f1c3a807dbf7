"""`.ci/run` with a stub `make`: what fails twice fails the build, and each suite shows its closing line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import wait_until

SCRIPT = Path(__file__).parents[2] / ".ci" / "run"
# The stub fails as often as FOLDER/TARGET says, and then ends as pytest does. With FOLDER/TARGET.waits it waits for Ctrl-C.
STUB = """#!/bin/sh
echo "making $1 with $PYTEST_ADDOPTS"
echo "$HOME" > "{folder}/$1.home"
if [ -e "{folder}/$1.waits" ]; then
    trap 'echo stopped >> "{folder}/$1.began"; trap - INT; kill -INT $$' INT
    echo began >> "{folder}/$1.began"
    while :; do sleep 0.05; done
fi
left=$(cat "{folder}/$1" 2>/dev/null || echo 0)
if [ "$left" -gt 0 ]; then echo $((left - 1)) > "{folder}/$1"; echo "1 failed in 2.00s"; exit 2; fi
echo "3 passed in 1.00s"
"""


@pytest.fixture
def tools(tmp_path) -> Path:
    """A PATH of its own with what the script calls, and without Java, Maven and Go."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "dirname", "mktemp", "mkdir", "rm", "cat", "sleep", "grep", "tail", "env", "sh"):
        found = next(Path(place) / name for place in ("/bin", "/usr/bin") if (Path(place) / name).exists())
        (folder / name).symlink_to(found)
    write(folder / "make", STUB.format(folder=tmp_path))
    return folder


def write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def start(tools: Path, *engines: str, text: str | None = None, home: str = "/") -> subprocess.Popen[str]:
    """Start the script, or another text of it, in a checkout of its own."""
    for name in engines:
        write(tools / name, "#!/bin/sh\n")
    script = tools.parent / "checkout" / ".ci" / "run"
    script.parent.mkdir(parents=True)
    write(script, text or SCRIPT.read_text())
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    environment |= {"PATH": str(tools), "TMPDIR": str(tools.parent), "HOME": home}
    pipe = subprocess.PIPE
    return subprocess.Popen([str(script)], stdout=pipe, stderr=pipe, text=True, env=environment)


def run(tools: Path, *engines: str, home: str = "/") -> subprocess.CompletedProcess[str]:
    job = start(tools, *engines, home=home)
    out, err = job.communicate(timeout=60)
    return subprocess.CompletedProcess(job.args, job.returncode, out, err)


def test_all_suites_run_and_show_their_closing_lines(tools):
    done = run(tools, "java", "mvn", "go")
    assert done.returncode == 0, done.stderr
    titles = [line for line in done.stdout.splitlines() if line.startswith("===")]
    assert titles == [
        *(f"=== make test-{name}" for name in ("flink", "spark", "gcs", "prism")),
        "=== engine suites",
    ]
    assert "flink  exit 0: 3 passed in 1.00s" in done.stdout


def test_a_setup_that_fails_once_is_tried_again(tools, tmp_path):
    (tmp_path / "setup").write_text("1")
    assert run(tools).returncode == 0


def test_a_setup_that_fails_twice_ends_the_build(tools, tmp_path):
    (tmp_path / "setup").write_text("2")
    done = run(tools)
    assert done.returncode != 0
    assert "making check" not in done.stdout


def test_a_build_that_takes_too_long_is_stopped(tools, tmp_path):
    (tmp_path / "check.waits").touch()
    job = start(tools, text=SCRIPT.read_text().replace("limit=5400", "limit=1"))
    out, err = job.communicate(timeout=30)
    assert job.returncode == 143, err
    assert "takes more than 1 seconds" in out
    assert (tmp_path / "check.began").read_text() == "began\nstopped\n"


@pytest.mark.parametrize("home", ["", "/nowhere/at/all"])
def test_caches_are_in_the_checkout_if_home_cannot_be_written(tools, tmp_path, home):
    assert run(tools, home=home).returncode == 0
    assert (tmp_path / "setup.home").read_text() == f"{tmp_path / 'checkout' / '.cache' / 'home'}\n"


@pytest.mark.parametrize("name", ["test-flink", "test-prism"])
def test_a_suite_that_fails_twice_fails_the_build(tools, tmp_path, name):
    (tmp_path / name).write_text("2")
    done = run(tools, "java", "mvn", "go")
    assert done.returncode == 1
    assert "exit 2: 1 failed in 2.00s" in done.stdout
    assert done.stdout.count("exit 0: 3 passed") == 3, "the other suites run all the same"


@pytest.mark.parametrize("name", ["check", "test-flink"])
def test_what_fails_once_is_tried_again(tools, tmp_path, name):
    (tmp_path / name).write_text("1")
    done = run(tools, "java", "mvn", "go")
    assert done.returncode == 0
    assert f"{name} failed; this is the second and last try" in done.stdout
    tries = [line for line in done.stdout.splitlines() if line.startswith(f"making {name} ")]
    assert ["--last-failed" in line for line in tries] == [False, True]
    assert len({next(word for word in line.split() if "cache_dir" in word) for line in tries}) == 1
    others = [line for line in done.stdout.splitlines() if line.startswith("making ") and line not in tries]
    assert not any("--last-failed" in line for line in others)


def test_a_gate_that_fails_twice_ends_the_build_at_once(tools, tmp_path):
    (tmp_path / "check").write_text("2")
    done = run(tools, "java", "mvn", "go")
    assert done.returncode != 0
    assert "test-flink" not in done.stdout


@pytest.mark.parametrize("target", ["engines", "jars"])
def test_a_suite_makes_what_could_not_be_made_before(tools, tmp_path, target):
    (tmp_path / target).write_text("1")
    assert run(tools, "java", "mvn", "go").returncode == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("targets", [["check", "jars"], ["test-flink", "test-spark"]])
def test_a_signal_ends_what_runs_once_and_starts_nothing_more(tools, tmp_path, number, code, targets):
    for target in targets:
        (tmp_path / f"{target}.waits").touch()
    job = start(tools, "java", "mvn", "go")
    wait_until(lambda: all((tmp_path / f"{target}.began").exists() for target in targets))
    job.send_signal(number)
    job.communicate(timeout=30)
    assert job.returncode == code
    assert {path.read_text() for path in tmp_path.glob("*.began")} == {"began\nstopped\n"}
    assert sorted(path.stem for path in tmp_path.glob("*.began")) == sorted(targets)
    assert not list(tmp_path.glob("tmp.*")), "no logs are left"


SUITE = """#!{python} -IS
import pathlib, signal, sys, time
target = sys.argv[1]
if target.startswith("test-"):
    began = pathlib.Path("{folder}", target + ".began").open("a")
    signal.signal(signal.SIGINT, lambda *_: (print("stopped", file=began), sys.exit(2)))
    print("began", file=began, flush=True)
    time.sleep(60)
"""


def test_a_suite_that_is_ended_is_not_tried_again_where_sigint_was_ignored(tools, tmp_path):
    """As in a background job of a shell. pytest heeds SIGINT all the same."""
    write(tools / "make", SUITE.format(python=sys.executable, folder=tmp_path))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        job = start(tools, "go")
    finally:
        signal.signal(signal.SIGINT, before)
    files = [tmp_path / f"test-{name}.began" for name in ("gcs", "prism")]
    wait_until(lambda: all(path.exists() and path.read_text() for path in files))
    job.send_signal(signal.SIGTERM)
    job.communicate(timeout=30)
    assert job.returncode == 143
    assert [path.read_text() for path in files] == ["began\nstopped\n"] * 2


def test_engines_that_cannot_run_are_named(tools):
    done = run(tools)
    assert done.returncode == 0, done.stderr
    assert "need Java and Maven" in done.stdout
    assert "need Go" in done.stdout
