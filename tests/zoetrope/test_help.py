"""The examples in the help of each command are commands that it takes."""

from __future__ import annotations

import re
import shlex

import pytest

from pipelines.config import AnimateConfig, ImportConfig
from schemas.config import describe
from trainer.fit.config import TrainConfig
from trainer.retrieval.config import EvaluateConfig
from zoetrope.arguments import read_config, split_beam_args
from zoetrope.cli import COMMANDS, command_module, main
from zoetrope.inputs import spelled_out

CONFIGS = {
    "animate": (AnimateConfig, "animate"),
    "filters": (AnimateConfig, "animate"),
    "import-videos": (ImportConfig, "import"),
    "train": (TrainConfig, "train"),
    "evaluate": (EvaluateConfig, "eval"),
}


def parser_of(command: str):
    return command_module(command)._parser()


def examples(command: str) -> list[list[str]]:
    """The arguments of each example in the help of a command."""
    text = parser_of(command).format_help().replace("\\\n", " ")
    found = re.findall(
        rf"(?:-m )?zoetrope {command} ((?:'[^']*'|\"[^\"]*\"|[^\n;'\"])*)", text.partition("xamples:")[2]
    )
    return [shlex.split(arguments.partition(" >")[0]) for arguments in found]


def fields_of(args) -> list[str]:
    """The fields of an example. Its input is not there to be looked at, so its kind is given."""
    words = [word for word in args.overrides if "=" not in word]
    if words:
        args.overrides = [*args.overrides, f"source.kind={'tars' if '.tar' in words[0] else 'folder'}"]
    return spelled_out(args, guess=bool(words))


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - {"demo", "motions"}))
def test_every_example_is_taken(command):
    shown = examples(command)
    assert len(shown) >= 2
    for arguments in shown:
        args = parser_of(command).read(split_beam_args(arguments)[0])
        if command in CONFIGS:
            cls, kind = CONFIGS[command]
            if command in ("animate", "filters", "import-videos"):
                args.overrides = fields_of(args)
            if command == "filters":  # it has no output of its own
                args.overrides.append("output=nowhere")
            read_config(cls, args, kind)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_opens_with_the_usage(command):
    shown = parser_of(command).format_help()
    assert shown.startswith(f"usage: zoetrope {command}")


@pytest.mark.parametrize("command", [*COMMANDS, ""])
@pytest.mark.parametrize(("columns", "longest"), [(80, 78), (120, 100)])
def test_every_line_of_every_help_fits_the_terminal(command, columns, longest, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    arguments = [command, "--help-all"] if command else ["--help"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > longest] == []


@pytest.mark.parametrize("command", CONFIGS)
def test_help_describes_the_main_fields_and_help_all_every_field(command, capsys):
    cls, _ = CONFIGS[command]
    every = {row.split()[0] for row in describe(cls)}
    assert main([command, "--help"]) == 0
    short = shown_fields(capsys.readouterr().out)
    assert main([command, "--help-all"]) == 0
    assert shown_fields(capsys.readouterr().out) == every
    assert short <= every
    assert len(short) == (10 if len(every) > 20 else len(every))


def shown_fields(text: str) -> set[str]:
    return set(re.findall(r"^  ([a-z][\w.]*)  \(", text, re.MULTILINE))


def test_missing_arguments_are_named_with_an_example(capsys):
    assert main(["merge"]) == 2
    assert capsys.readouterr().err == (
        "zoetrope merge: the following arguments are required: OUTPUT, -o, as in `zoetrope merge coco/ cc3m/ -o "
        "all/`; see zoetrope merge --help\n"
    )
    assert main(["retry"]) == 2
    assert "required: OUTPUT, as in `zoetrope retry clips/`" in capsys.readouterr().err
    assert main(["train", "clips/"]) == 2
    assert (
        capsys.readouterr().err
        == "zoetrope train: clips/: write it as FIELD=VALUE, e.g. data.shards=clips/\n"
    )
    assert main(["filters"]) == 2
    assert "`zoetrope filters pictures/`" in capsys.readouterr().err
