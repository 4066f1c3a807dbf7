"""The examples in the help of each command are commands that it takes."""

from __future__ import annotations

import importlib
import re
import shlex

import pytest

from pipelines.config import AnimateConfig, ImportConfig
from trainer.fit.config import TrainConfig
from trainer.retrieval.config import EvaluateConfig
from zoetrope.arguments import read_config, split_beam_args
from zoetrope.cli import COMMANDS

CONFIGS = {
    "animate": (AnimateConfig, "animate"),
    "import-videos": (ImportConfig, "import"),
    "train": (TrainConfig, "train"),
    "evaluate": (EvaluateConfig, "eval"),
}


def parser_of(command: str):
    return importlib.import_module(f"zoetrope.commands.{command.replace('-', '_')}")._parser()


def examples(command: str) -> list[list[str]]:
    """The arguments of each example in the help of a command."""
    text = parser_of(command).format_help().replace("\\\n", " ")
    found = re.findall(
        rf"(?:-m )?zoetrope {command} ((?:'[^']*'|\"[^\"]*\"|[^\n;'\"])*)", text.partition("xamples:")[2]
    )
    return [shlex.split(arguments) for arguments in found]


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - {"motions"}))
def test_every_example_is_taken(command):
    shown = examples(command)
    assert len(shown) >= 2
    for arguments in shown:
        args = parser_of(command).read(split_beam_args(arguments)[0])
        if command in CONFIGS:
            cls, kind = CONFIGS[command]
            read_config(cls, args, kind)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_a_purpose_and_short_lines(command):
    shown = parser_of(command).format_help()
    assert shown.startswith(f"usage: zoetrope {command}")
    head = shown.partition("ields:\n")[0]
    assert max(map(len, head.splitlines())) <= 120
