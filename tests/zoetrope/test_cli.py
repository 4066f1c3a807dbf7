"""The `zoetrope` command itself: what it says of its subcommands, and how it ends when nobody reads on."""

import json
import os
import subprocess
import sys

import pytest

import zoetrope
from schemas.errors import ConfigError, WorkError
from storage.shards.read import ShardError
from zoetrope import __version__, cli


def test_no_arguments_print_the_usage_and_exit_2(capsys):
    assert cli.main([]) == 2
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in cli.COMMANDS)


def test_help_and_version(capsys):
    assert cli.main(["--help"]) == 0
    assert "usage: zoetrope COMMAND" in capsys.readouterr().out
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"zoetrope {__version__}\n"


def test_an_unknown_command_is_one_line_and_exit_2(capsys):
    assert cli.main(["anymate"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert "'anymate'" in said.err
    assert "animate" in said.err


def test_an_unknown_command_names_the_nearest(capsys):
    assert cli.main(["anmate"]) == 2
    assert capsys.readouterr().err.startswith(
        "zoetrope: unknown command 'anmate'; the nearest is animate; commands: "
    )


def test_help_of_a_command_by_its_name(capsys):
    assert cli.main(["motions", "--help"]) == 0
    wanted = capsys.readouterr().out
    assert cli.main(["help", "motions"]) == 0
    assert capsys.readouterr().out == wanted
    assert cli.main(["help"]) == 0
    assert "usage: zoetrope COMMAND" in capsys.readouterr().out
    assert cli.main(["help", "anmate"]) == 2


def closed_pipe(*arguments):
    """Run the command with a standard output that nobody reads: (exit code, standard error)."""
    read, write = os.pipe()
    os.close(read)
    try:
        command = [sys.executable, "-m", "zoetrope.cli", *arguments]
        done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=120)
    finally:
        os.close(write)
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", [["animate", "--help"], ["preview", "--help"], ["motions"], ["--help"]])
def test_a_reader_that_went_is_no_error_to_print(arguments):
    code, said = closed_pipe(*arguments)
    assert said == ""
    assert code in (0, cli.STOPPED_BY_PIPE)


def test_bad_usage_is_told_even_so():
    code, said = closed_pipe("preview", "--motion")
    assert code == 2
    assert len(said.splitlines()) == 1


def test_another_pipe_that_broke_is_not_hidden(monkeypatch):
    def main(arguments):
        raise BrokenPipeError("a worker's")

    monkeypatch.setattr("zoetrope.commands.motions.main", main)
    with pytest.raises(BrokenPipeError):
        cli.main(["motions"])


PROBE = """
import json, sys
from zoetrope.cli import main
heavy = ("apache_beam", "torch", "aiohttp", "pyarrow", "kornia", "av", "open_clip")
for arguments in json.loads(sys.argv[1]):
    code = main(arguments)
    print("LOADED", code, *[name for name in heavy if name in sys.modules])
"""


def loaded_by(commands):
    """Run commands one after another in a process of their own -> for each "its exit code, the heavy modules by then"."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(commands)], capture_output=True, text=True, check=True
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("LOADED ")]
    return {
        " ".join(command): line.removeprefix("LOADED ") for command, line in zip(commands, lines, strict=True)
    }


LEAVE = """
import atexit, sys, types
from zoetrope import cli

atexit.register(print, "at exit")
sys.modules["apache_beam"] = types.ModuleType("apache_beam")
print("a line", end="")
cli._leave(1)
print("still here")
"""


def test_a_job_leaves_at_once_but_after_its_output_and_exit_handlers():
    done = subprocess.run([sys.executable, "-c", LEAVE], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (1, "a lineat exit\n", "")


PRINTS = r"""
import sys
from zoetrope import cli

cli._run = lambda arguments: print('{"bar": "\u2588\xe9\udcff"}') or 0
sys.exit(cli.main())
"""


@pytest.mark.parametrize(
    ("encoding", "wanted"),
    [
        ("ascii", rb'{"bar": "\u2588\u00e9\udcff"}'),
        ("latin-1", b'{"bar": "\\u2588\xe9\\udcff"}'),
        ("utf-8", b'{"bar": "\xe2\x96\x88\xc3\xa9\\udcff"}'),
    ],
)
def test_text_that_the_terminal_cannot_show_is_escaped_as_in_json(encoding, wanted):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", PRINTS], env=environment, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout.rstrip(), done.stderr) == (0, wanted, b"")


def test_help_loads_nothing_heavy():
    found = loaded_by([[command, "--help"] for command in cli.COMMANDS])
    assert found == dict.fromkeys([f"{command} --help" for command in cli.COMMANDS], "0")


MISTAKES = [
    ["animate", "source.kind=floder"],
    ["animate", "--config", "none.yaml"],
    ["animate", "--dryrun"],
    ["import-videos", "source.kind=msrvt"],
    ["train", "global_batch_size=0"],
    ["evaluate", "checkpont=x"],
    ["index", "--workers", "0", "model", "clips", "-o", "index"],
    ["search"],
    ["retry"],
    ["validate"],
    ["convert", "official"],
    ["studio", "--port", "many"],
    ["preview", "--size"],
]


def test_a_mistake_in_a_config_or_in_usage_loads_nothing_heavy():
    found = loaded_by(MISTAKES)
    assert found == dict.fromkeys(map(" ".join, MISTAKES), "2")


def test_the_check_itself_sees_what_is_loaded():
    assert loaded_by([["motions"], ["stats", "nowhere"]]) == {"motions": "0", "stats nowhere": "2 pyarrow"}


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigError("workers = 0 is not allowed"), 2, "zoetrope motions: workers = 0 is not allowed\n"),
        (ValueError("a bad\nvalue"), 2, "zoetrope motions: a bad value\n"),
        (WorkError("the source has gone"), 1, "zoetrope motions: the source has gone\n"),
        (ShardError("0.tar: cut off"), 1, "zoetrope motions: 0.tar: cut off\n"),
        (FileNotFoundError(2, "No such file", "x"), 1, "zoetrope motions: [Errno 2] No such file: 'x'\n"),
        (MemoryError("lower --batch-size"), 1, "zoetrope motions: lower --batch-size\n"),
    ],
)
def test_one_map_from_exceptions_to_one_line_and_an_exit_code(monkeypatch, capsys, error, code, line):
    def main(arguments):
        raise error

    monkeypatch.setattr("zoetrope.commands.motions.main", main)
    assert cli.main(["motions"]) == code
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", line)


def test_a_bug_is_no_line_but_a_traceback(monkeypatch):
    def main(arguments):
        raise KeyError("a bug")

    monkeypatch.setattr("zoetrope.commands.motions.main", main)
    with pytest.raises(KeyError):
        cli.main(["motions"])


def test_an_error_of_a_worker_process_is_its_last_line(monkeypatch, capsys):
    def main(arguments):
        raise ShardError(
            "Caught ShardError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
            '  File "x.py", line 1, in f\nstorage.shards.ShardError: 0.tar: cut off\n'
        )

    monkeypatch.setattr("zoetrope.commands.motions.main", main)
    assert cli.main(["motions"]) == 1
    assert capsys.readouterr().err == "zoetrope motions: 0.tar: cut off\n"


def test_verbose_shows_the_traceback_of_an_error(capsys):
    assert cli.main(["motions", "-v", "zom_in"]) == 2
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.splitlines()[-1].startswith("zoetrope motions: ")


def test_every_name_of_the_public_face_can_be_had():
    for name in zoetrope.__all__:
        assert getattr(zoetrope, name) is not None
