"""Completion scripts, run by a real shell."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest

from zoetrope import cli
from zoetrope.commands.completion import all_words, bash, fish


@pytest.fixture(scope="module")
def words():
    return all_words()


@pytest.fixture(scope="module")
def script(words, tmp_path_factory):
    path = tmp_path_factory.mktemp("shell") / "zoetrope.bash"
    path.write_text(bash(words))
    return path


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("zoetrope an", ["animate"]),
        ("zoetrope animate --dry", ["--dry-run"]),
        ("zoetrope animate clip.fr", ["clip.frames="]),
        ("zoetrope animate --config co", ["coco"]),
        ("zoetrope train --config finetune_msv", ["finetune_msvd"]),
        ("zoetrope animate --runner-config fl", ["flink"]),
        ("zoetrope convert off", ["official"]),
        ("zoetrope configs eval/msv", ["eval/msvd"]),
        ("zoetrope motions xyz", []),
    ],
)
def test_bash_completes_commands_options_fields_and_configs(script, line, offers):
    typed = line.split(" ")
    code = (
        f"source {shlex.quote(str(script))}; COMP_WORDS=({' '.join(typed)}); COMP_CWORD={len(typed) - 1}; _zoetrope; "
        'echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == offers
    assert done.stderr == ""


def test_every_command_is_in_every_script(words, capsys):
    assert {each.command for each in words} == cli.COMMANDS.keys()
    for shell in ("bash", "zsh", "fish"):
        assert cli.main(["completion", shell]) == 0
        shown = capsys.readouterr().out
        assert all(name in shown for name in cli.COMMANDS)


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_reads_its_script(words, tmp_path):
    (tmp_path / "zoetrope.fish").write_text(fish(words))
    subprocess.run(["fish", "--no-execute", str(tmp_path / "zoetrope.fish")], check=True)


def test_an_unknown_shell_is_one_line(capsys):
    assert cli.main(["completion", "tcsh"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
