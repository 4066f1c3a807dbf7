"""--runner-config: a file of Beam options."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.running.engine import choose_runner, read_runner_config
from schemas.errors import ConfigError
from zoetrope.commands.jobs import split_beam_args

CONFIGS = sorted((Path(__file__).parents[3] / "configs" / "runners").glob("*.yaml"))


def test_a_mapping_becomes_arguments(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(
        "runner: FlinkRunner\nparallelism: 4\nsave_main_session: false\nstreaming: true\nexperiments: [a, b=1]\n"
    )
    wanted = [
        "--runner=FlinkRunner",
        "--parallelism=4",
        "--streaming",
        "--experiments=a",
        "--experiments=b=1",
    ]
    assert read_runner_config(str(path)) == wanted
    own = ["--config", "c.yaml", "store=mp4"]
    for arguments in (["--runner-config", str(path)], [f"--runner-config={path}"]):
        assert split_beam_args([*own[:2], *arguments, own[2], "--", "--parallelism=8"]) == (
            own,
            [*wanted, "--parallelism=8"],
        )
    assert split_beam_args(own) == (own, [])


@pytest.mark.parametrize("text", ["- a", "runner: {a: 1}", "runner:", "a: [", None])
def test_anything_else_is_one_line(tmp_path, text):
    path = tmp_path / "r.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match="--runner-config") as error:
        split_beam_args(["--runner-config", str(path)])
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="say which file"):
        split_beam_args(["--runner-config"])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_beam_knows_every_option_of_the_configs(path):
    options = choose_runner(read_runner_config(str(path)), None).options
    known = options.get_all_options(drop_default=True)
    assert not options._unparsed_options if hasattr(options, "_unparsed_options") else True
    assert known["runner"]
