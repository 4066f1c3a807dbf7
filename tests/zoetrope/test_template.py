"""The parameters of the Flex Template, and the launcher's errors."""

from __future__ import annotations

import json
import re
from pathlib import Path

from zoetrope.template import FIELDS, main

ROOT = Path(__file__).parents[2]


def test_every_parameter_of_the_template_is_described_and_taken():
    metadata = json.loads((ROOT / "docker" / "flex_template.json").read_text())
    names = {parameter["name"] for parameter in metadata["parameters"]}
    assert names == {*FIELDS, "config", "overrides", "accelerator", "sdk_container_image"}
    for parameter in metadata["parameters"]:
        assert parameter["label"]
        assert len(parameter["helpText"]) > 20
    output = next(p for p in metadata["parameters"] if p["name"] == "output")
    assert re.fullmatch(output["regexes"][0], "gs://bucket/clips")
    assert not re.fullmatch(output["regexes"][0], "clips/")


def test_bad_parameters_are_one_line(capsys, tmp_path):
    assert main([f"--output={tmp_path}/clips", "--source_kind=floder"]) == 2
    err = capsys.readouterr().err
    assert "folder" in err
    assert not (tmp_path / "clips").exists()
