"""The hours of recipes are rewritten from a measured MFU, and from nothing else."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from benchmarks import hours
from storage.configs import load_config
from trainer.fit.config import TrainConfig
from trainer.fit.flops import training_hours

ROOT = Path(__file__).parents[2]
FIELD = """# What      A recipe.
# Hours     9.9 h on 8 H100 (999 GFLOP per sample, a third more for accumulate) at an MFU of 9.8 %, which an H200
#           reached before (trainer/fit/flops.py). Decoding has to keep up.
# Expect    Nothing.
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "configs" / "train").mkdir(parents=True)
    (tmp_path / "trainer" / "fit").mkdir(parents=True)
    debug = (ROOT / "configs" / "train" / "debug.yaml").read_text()
    (tmp_path / "configs" / "train" / "debug.yaml").write_text(debug)
    recipe = FIELD + debug[debug.index("\n\n") :]
    (tmp_path / "configs" / "train" / "tiny.yaml").write_text(recipe)
    shutil.copy(ROOT / "trainer" / "fit" / "flops.py", tmp_path / "trainer" / "fit" / "flops.py")
    return tmp_path


def result(root: Path, mfu: float) -> str:
    eager = {"training": [{"mfu": {"median": 0.1}, "grad_checkpointing": False}]}
    compiled = {"training": [{"mfu": {"median": mfu}, "grad_checkpointing": False}]}
    path = root / "training.json"
    models = {"ViT-B-32-quickgelu eager": eager, "ViT-B-32-quickgelu compiled": compiled}
    path.write_text(json.dumps({"gpu": "NVIDIA H100 80GB HBM3", "models": models}))
    return str(path)


def test_recipes_and_the_constant_get_the_measured_mfu_and_its_card(root: Path) -> None:
    before = (root / "configs" / "train" / "debug.yaml").read_text()
    for mfu in (0.3524, 0.41):  # the second time from what the first one wrote
        assert hours.main(["--result", result(root, mfu)], root=root) == 0
        shown = f"{100 * round(mfu, 3):.1f}"
        recipe = root / "configs" / "train" / "tiny.yaml"
        said = " ".join(line.strip("# ") for line in recipe.read_text().split("\n\n")[0].splitlines())
        words = rf"Hours +([\d.]+) h on 8 H100 \((\d+) GFLOP per sample, a third more for accumulate\) at an MFU of {shown} %, "
        found = re.search(
            words + r"measured on one NVIDIA H100 80GB HBM3 \(benchmarks/results/training.json\)\. Decoding",
            said,
        )
        assert found
        config = load_config(TrainConfig, recipe, ["data.shards=clips/"])
        wanted = training_hours(config, float(found[2]) * 1e9, gpus=8, gpu="H100", mfu=mfu)
        assert float(found[1]) == pytest.approx(wanted, abs=0.06)
        constant = (root / "trainer" / "fit" / "flops.py").read_text()
        assert re.findall(r"^MEASURED_MFU = ([\d.]+)$", constant, re.MULTILINE) == [f"{round(mfu, 3):g}"]
        assert constant.count("on one NVIDIA H100 80GB HBM3") == 1
        assert max(map(len, constant.splitlines())) <= 110
    assert said.endswith("Expect    Nothing.")
    assert (root / "configs" / "train" / "debug.yaml").read_text() == before  # it gives no hours


def test_without_a_measured_mfu_nothing_is_written(root: Path, capsys) -> None:
    before = (root / "configs" / "train" / "tiny.yaml").read_text()
    empty = root / "empty.json"
    empty.write_text(json.dumps({"gpu": "NVIDIA L4", "models": {}}))
    for path, reason in ((root / "none.json", "is not there"), (empty, "has no MFU of")):
        with pytest.raises(SystemExit):
            hours.main(["--result", str(path)], root=root)
        assert reason in capsys.readouterr().err
    assert (root / "configs" / "train" / "tiny.yaml").read_text() == before
    with pytest.raises(ValueError, match="# Hours must say"):
        hours.rewritten(
            "# What  no hours\n",
            TrainConfig.make({"data": {"shards": "x"}, "output": "x", "max_steps": 1}),
            1.0,
            0.1,
            None,
        )
