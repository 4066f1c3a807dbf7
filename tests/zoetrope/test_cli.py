"""The `zoetrope` command itself: what it says of its subcommands, and how it ends when nobody reads on."""

import os
import subprocess
import sys

import pytest

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
