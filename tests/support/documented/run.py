"""Run a documented command in this process."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from documented.lines import Line
from documented.place import OUTPUT, Place
from documented.rules import Rule, Way, filled

from zoetrope import cli

RUNS = "runs/*/last"


def arguments(line: Line, rule: Rule) -> list[str]:
    """The words after `zoetrope`. Torchrun's own are read by its parser."""
    text = re.sub(r" >>? \S+$", "", filled(line.text, rule))
    words = shlex.split(text)
    if words[0] == "torchrun":
        from torch.distributed.run import get_args_parser

        started = get_args_parser().parse_args(words[1:])
        assert started.module
        words = [started.training_script, *started.training_script_args]
    assert words[0] == "zoetrope"
    extra = rule.extra.split() + ["--dry-run"] * (rule.way is Way.PLAN)
    at = words.index("--") if "--" in words else len(words)
    return [*words[1:at], *extra, *words[at:]]


def run(line: Line, rule: Rule, place: Place) -> Path:
    """Run the command in a new folder, which is returned; its outputs are there afterwards."""
    words = arguments(line, rule)
    text = " ".join(("zoetrope", *words))
    with pytest.MonkeyPatch.context() as patch:
        here = place.prepare(text)
        patch.chdir(here)
        patch.setattr(sys, "path", [*sys.path])  # modules in the folder are found, and then no more
        runs = set(here.glob(RUNS))
        assert cli.main(words) == 0
    if rule.way is Way.RUN and "--dry-run" not in words:
        for output in OUTPUT.findall(text):
            assert (here / output).exists(), f"{output} was not written"
        if words[0] == "train" and "--help" not in text:
            assert set(here.glob(RUNS)) > runs or "resume" in text, "no checkpoint was written"
    return here
