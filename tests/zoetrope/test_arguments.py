"""One argument style: what goes to the command, what goes to Beam, and a file of Beam options."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from schemas.errors import ConfigError
from trainer.fit.config import TrainConfig
from zoetrope.arguments import Parser, beam_options, read_config, read_runner_config, split_beam_args
from zoetrope.messages import messages_on_stderr

ROOT = Path(__file__).parents[2]


def test_a_mapping_becomes_arguments(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(
        "runner: FlinkRunner\nparallelism: 4\nsave_main_session: false\nstreaming: true\nexperiments: [a, "
        "b=1]\n"
    )
    wanted = [
        "--runner=FlinkRunner",
        "--parallelism=4",
        "--streaming",
        "--experiments=a",
        "--experiments=b=1",
    ]
    assert read_runner_config(str(path)) == wanted
    assert beam_options(str(path), ["--parallelism=8"]) == [*wanted, "--parallelism=8"]
    assert beam_options(None, ["--parallelism=8"]) == ["--parallelism=8"]


@pytest.mark.parametrize("arguments", [["--runner-config", "r.yaml"], ["--runner-config=r.yaml"]])
def test_the_dashes_part_the_arguments_of_the_command_from_those_of_beam(arguments):
    own, after_dashes = split_beam_args(["--config", "c.yaml", *arguments, "store=mp4", "--", "--x=8", "--"])
    assert own == ["--config", "c.yaml", *arguments, "store=mp4"]
    assert after_dashes == ["--x=8", "--"]
    parser = Parser(prog="zoetrope animate")
    parser.add_config(TrainConfig, "a file", "a field")
    parser.add_runner()
    args = parser.read(own)
    assert (args.config, args.runner_config, args.overrides) == ("c.yaml", "r.yaml", ["store=mp4"])


@pytest.mark.parametrize("text", ["- a", "runner: {a: 1}", "runner:", "a: [", None])
def test_anything_else_than_a_mapping_of_options_is_one_line(tmp_path, text):
    path = tmp_path / "r.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match="--runner-config") as error:
        read_runner_config(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("arguments", [["--nothing"], ["--config"], ["--conf", "c.yaml"]])
def test_bad_usage_is_a_config_error_that_names_the_help(arguments):
    parser = Parser(prog="zoetrope animate")
    parser.add_config(TrainConfig, "a file", "a field")
    with pytest.raises(ConfigError, match="see zoetrope animate --help"):
        parser.read(arguments)


@pytest.mark.parametrize(
    ("arguments", "level"),
    [
        ([], logging.INFO),
        (["-v"], logging.DEBUG),
        (["-vv"], logging.DEBUG),
        (["--quiet"], logging.WARNING),
        (["-qq"], logging.ERROR),
        (["-qqq"], logging.ERROR),
    ],
)
def test_verbosity_is_the_level_of_our_loggers(arguments, level):
    with messages_on_stderr("zoetrope animate"):
        Parser(prog="zoetrope animate").read(arguments)
        assert logging.getLogger("pipelines").level == level
    assert logging.getLogger("pipelines").level == logging.NOTSET


@pytest.mark.parametrize(
    ("argument", "hint"),
    [
        ("--confg", "unrecognized arguments: --confg; the nearest is --config; see"),
        ("--verbos", "the nearest is --verbose"),
        ("--seed=3", "it is a field: write seed=VALUE"),
        ("--global-batch-size", "it is a field: write global_batch_size=VALUE"),
        ("--eval-shards", "it is a field: write data.eval_shards=VALUE"),
        ("--shards", "it is a field: write data.shards=VALUE"),
        ("--zzzzzz", "unrecognized arguments: --zzzzzz; see"),
    ],
)
def test_an_unknown_option_names_what_was_probably_meant(argument, hint):
    parser = Parser(prog="zoetrope train")
    parser.add_config(TrainConfig, "a file", "a field")
    with pytest.raises(ConfigError) as error:
        parser.read([argument])
    assert hint in str(error.value)


def test_a_shipped_config_is_found_by_its_name():
    parser = Parser(prog="zoetrope train")
    parser.add_config(TrainConfig, "a file", "a field")
    by_name = read_config(TrainConfig, parser.read(["--config", "debug", "data.shards=x"]), "train")
    path = "configs/train/debug.yaml"
    by_path = read_config(TrainConfig, parser.read(["--config", str(ROOT / path), "data.shards=x"]), "train")
    assert by_name == by_path
    assert "--runner=FlinkRunner" in beam_options("flink", [])
