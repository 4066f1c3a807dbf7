"""Which runner a job gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.running.engine import choose_runner
from zoetrope.arguments import read_runner_config

CONFIGS = sorted((Path(__file__).parents[3] / "configs" / "runners").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_beam_knows_every_option_of_the_configs(path):
    options = choose_runner(read_runner_config(str(path)), None).options
    known = options.get_all_options(drop_default=True)
    assert not options._unparsed_options if hasattr(options, "_unparsed_options") else True
    assert known["runner"]
