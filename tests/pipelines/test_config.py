"""The configs of the jobs: their defaults, and that they load without Beam."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipelines.config import AnimateConfig, ImportConfig
from schemas.errors import ConfigError

SOURCE = {"kind": "folder", "uri": "pictures/"}


def test_they_load_without_beam():
    code = "import sys, pipelines.config; print(*{'apache_beam', 'torch', 'aiohttp', 'pyarrow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_settings_of_a_sample_are_the_fields_that_decide_its_bytes():
    one = AnimateConfig.make({"source": SOURCE, "output": "a", "seed": 3, "workers": 1})
    other = AnimateConfig.make({"source": SOURCE, "output": "b", "seed": 3, "overwrite": True})
    assert one.settings == other.settings
    assert one.settings != AnimateConfig.make({"source": SOURCE, "output": "a", "seed": 4}).settings


def test_one_filter_may_be_written_without_a_list():
    config = AnimateConfig.make({"source": SOURCE, "output": "a", "filters": "module:function"})
    assert config.filters == ("module:function",)


@pytest.mark.parametrize("cls", [AnimateConfig, ImportConfig])
def test_a_source_and_an_output_are_required(cls):
    with pytest.raises(ConfigError, match="source is required"):
        cls.make({"output": "a"})
