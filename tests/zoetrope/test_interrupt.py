"""Ctrl-C at any moment of any command is one line and exit 130."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoetrope import cli
from zoetrope.cli import COMMANDS
from zoetrope.interrupt import STOPPED, loading

ROOT = Path(__file__).parents[2]
HANG = """
import signal, sys, threading, time, importlib.abc
signal.signal(signal.SIGINT, signal.default_int_handler)
class Hang(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            print("importing", flush=True)
            try:
                time.sleep(60)
            except KeyboardInterrupt:
                raise ImportError("an import that hides Ctrl-C")
sys.meta_path.insert(0, Hang())
from zoetrope.__main__ import main
sys.exit(main())
"""
HEAVY = {  # command -> (its arguments, a module that it imports late)
    "animate": (["source.kind=folder", "source.uri=x", "output=y"], "apache_beam"),
    "import-videos": (
        ["source.kind=csv", "source.videos=x", "source.annotations=a", "output=y"],
        "apache_beam",
    ),
    "retry": (["nowhere"], "apache_beam"),
    "validate": (["nowhere"], "pyarrow"),
    "stats": (["nowhere"], "pyarrow"),
    "head": (["nowhere"], "storage.tables"),
    "failures": (["nowhere"], "pyarrow"),
    "merge": (["a", "b", "-o", "c"], "pyarrow"),
    "split": (["a", "b=1", "c=1", "-o", "d"], "pyarrow"),
    "push": (["nowhere", "user/name"], "pyarrow"),
    "filters": (["source.kind=folder", "source.uri=x"], "pipelines.trial.run"),
    "motions": ([], "transforms.motions.describe"),
    "preview": (["x.jpg"], "preview.show.path"),
    "studio": (["x.jpg"], "aiohttp"),
    "train": (["data.shards=x", "output=y", "max_steps=1"], "torch"),
    "runs": (["nowhere"], "preview.runs.page"),
    "evaluate": (["checkpoint=x", "data.shards=y"], "torch"),
    "convert": (["clip", "x", "-o", "y"], "torch"),
    "index": (["x", "y", "-o", "z"], "torch"),
    "search": (["x", "y"], "torch"),
    "export": (["x", "--to", "npy", "-o", "y"], "torch"),
    "configs": ([], "zoetrope.shipped"),
    "completion": (["bash"], "zoetrope.commands.animate"),
    "demo": ([], "zoetrope.samples"),
    "lab": (["table", "output=nowhere"], "lab.experiment"),
}


def test_every_command_is_tried():
    assert HEAVY.keys() == COMMANDS.keys()


@pytest.mark.parametrize("command", HEAVY)
def test_ctrl_c_while_a_command_imports_is_one_line(command, tmp_path):
    arguments, module = HEAVY[command]
    code = HANG.format(module=module)
    started = [sys.executable, "-c", code, command, *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        started, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "importing\n", process.stderr.read()
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert said == "zoetrope: stopped\n"


@pytest.mark.parametrize("wait", [0.1, 0.4, 1.0])
def test_ctrl_c_at_some_moment_of_a_start_is_one_line(wait, tmp_path):
    """The interpreter's own start, before a line of ours runs, is left out."""
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); print(1, flush=True)\n"
    code += "from zoetrope.__main__ import main; raise SystemExit(main())"
    started = [sys.executable, "-c", code, "retry", "nowhere"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        started, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert process.returncode in (130, 2), said  # 2: it was done before
    assert said.count("\n") == 1
    assert "Traceback" not in said


WRITES = """
import os, signal, sys
class Full:
    def flush(self):
        raise RuntimeError("reentrant call inside <_io.BufferedWriter name='<stdout>'>")
signal.signal(signal.SIGINT, signal.default_int_handler)
from zoetrope.interrupt import loading
with loading():
    sys.stdout = Full()
    signal.raise_signal(signal.SIGINT)
"""


def test_ctrl_c_within_a_write_is_one_line():
    """Python refuses to flush a stream from a signal handler that interrupts a flush."""
    done = subprocess.run(
        [sys.executable, "-c", WRITES], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (130, "zoetrope: stopped\n")


def test_an_ignored_ctrl_c_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with loading():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_handler_of_a_calling_program_stays():
    def handler(number, frame):
        raise AssertionError

    before = signal.signal(signal.SIGINT, handler)
    try:
        with loading():
            assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_garbage_is_not_collected_while_modules_load():
    with loading():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with loading():
            pass
        assert not gc.isenabled()  # as the calling program has it
    finally:
        gc.enable()


def test_sigterm_ends_a_command_as_ctrl_c_does(capsys):
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        assert cli.guarded("preview", lambda: signal.raise_signal(signal.SIGTERM) or 0) == STOPPED
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
    assert capsys.readouterr().err == "zoetrope preview: stopped\n"


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_sigterm_stays_what_the_calling_program_made_it(handler):
    before = signal.signal(signal.SIGTERM, handler)
    try:
        assert cli.guarded("preview", lambda: signal.raise_signal(signal.SIGTERM) or 0) == 0
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


COPIES = """
import sys, time
from storage.local import local_copy
from storage.write import write_bytes
from zoetrope import cli
write_bytes("memory://bucket/file", b"1")
def run():
    with local_copy("memory://bucket/file"):
        print("copied", flush=True)
        time.sleep(60)
sys.exit(cli.guarded("preview", run))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_no_copy_of_a_remote_file(tmp_path, number):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", COPIES]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    process.stdout.readline()
    assert list(tmp_path.glob("zoetrope-*"))
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == STOPPED
    assert not list(tmp_path.iterdir())
