"""Every block of YAML in README and docs/ is a part of a config that loads."""

from __future__ import annotations

import sys

import pytest
import yaml
from documented.lines import FENCE, PAGES, ROOT
from documented.snippets import python_blocks

from pipelines.config import AnimateConfig
from trainer.fit.config import TrainConfig
from trainer.retrieval.config import EvaluateConfig

BLOCKS = [
    (str(page.relative_to(ROOT)), body)
    for page in PAGES
    for language, body in FENCE.findall(page.read_text())
    if language == "yaml"
]
REST = {  # the fields that a block leaves out, by the class of its config
    AnimateConfig: {"source": {"kind": "folder", "uri": "pictures/"}, "output": "clips/"},
    EvaluateConfig: {"checkpoint": "runs/x/best"},
    TrainConfig: {"output": "runs/x", "data": {"shards": "clips/"}, "max_steps": 1},
}


def kind_of(values: dict) -> type:
    """The class that has these fields; `data` alone is a part of a training config."""
    return [kind for kind in REST if values.keys() <= kind.model_fields.keys()][-1]


@pytest.mark.parametrize(("page", "text"), BLOCKS, ids=[text.split()[0] + page for page, text in BLOCKS])
def test_it_loads_as_a_part_of_a_config(page: str, text: str, tmp_path, monkeypatch) -> None:
    (tmp_path / "mypackage").mkdir()
    (motions,) = (block for block in python_blocks("docs/motions.md") if "@motion" in block)
    (tmp_path / "mypackage" / "mymotions.py").write_text(motions)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    values = yaml.safe_load(text)
    kind = kind_of(values)
    whole = {**REST[kind], **values}
    if kind is TrainConfig and "mix" not in values["data"]:
        whole["data"] = {**REST[kind]["data"], **values["data"]}
    config = kind.make(whole)
    assert values.keys() <= config.to_dict().keys()


def test_blocks_of_every_kind_are_found() -> None:
    assert {kind_of(yaml.safe_load(text)) for _, text in BLOCKS} == set(REST)
