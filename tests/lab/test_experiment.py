"""The smallest lab from its command to its table. It covers lab.plan, lab.start, lab.results and lab.page too."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from warm import Command

from lab.config import LabConfig
from lab.experiment import cache_folder
from lab.plan import Plan
from lab.results import Results
from lab.steps import Step, Steps
from schemas.config import flatten
from schemas.errors import ConfigError
from storage.configs import load_config
from zoetrope.cli import main
from zoetrope.shipped import find_config

FEWER = ["corpus.tuning=[]", "corpus.tests={content: 8, motion: 1, order: 1}", "corpus.stills=16"]


def launch(steps: Steps, step: Step) -> Command:
    """Start a step's command in a process that has torch loaded. `test_steps.py` starts commands as the lab does."""
    _python, _m, module, *arguments = step.command
    log = steps._log(step)
    log.parent.mkdir(parents=True, exist_ok=True)
    return Command(arguments, log, module=module)


def test_two_arms_give_a_table_and_a_second_run_does_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Steps, "_launch", launch)
    command = ["lab", "--config", "smoke", f"output={tmp_path}", *FEWER]
    assert main(command) == 0
    table = (tmp_path / "results" / "table.md").read_text()
    rows = [line for line in table.splitlines() if line.startswith(("| static", "| negatives"))]
    assert len(rows) == 3  # the last is the difference
    printed = capsys.readouterr()
    assert table.strip() in printed.out
    assert "corpus: content made" in printed.err
    assert re.search(r"lab: 11 of 11: seed0/.*/queries took .*; about 0s left", printed.err)
    result = json.loads((tmp_path / "results" / "lab.json").read_text())
    cells = result["percent_right_mean_and_deviation"]
    assert set(cells) == {
        f"{arm}/zero-shot/{test}/{head}"
        for arm in ("static", "negatives")
        for test in ("content", "still", "motion", "order")
        for head in ("dual", "fine")
    }
    assert set(result["differences_to_static"]) == {
        f"negatives/zero-shot/{test}" for test in ("content", "still", "motion", "order")
    }
    assert re.search(r"\| negatives \| zero-shot \| [+-]\d", table)
    assert set(result["about"]) >= {"commit", "cpu", "cores", "hours_of_steps"}
    apart = json.loads((tmp_path / "results" / "zero_shot.json").read_text())["percent_right_zero_shot_dual"]
    assert set(apart) == {"static", "negatives"}
    for arm, percent in apart.items():
        assert set(percent) == {"content", "still", "motion", "order", "pan", "zoom", "rotate"}
        assert percent["motion"] == pytest.approx(cells[f"{arm}/zero-shot/motion/dual"][0], abs=0.1)
        whole = 4 * percent["pan"] + 2 * percent["zoom"] + 2 * percent["rotate"]
        assert whole / 8 == pytest.approx(percent["motion"], abs=0.1)
    training = json.loads((tmp_path / "configs" / "seed0" / "negatives" / "pretrain.yaml").read_text())
    animated, pictures = training["data"]["mix"]
    assert animated["paths_per_picture"] == 2
    assert pictures["camera"] == "picture"
    assert pictures["weight"] == 0.25
    queries = json.loads((tmp_path / "queries" / "seed0" / "static" / "zero-shot.json").read_text())
    assert {test: len(asked["dual"]) for test, asked in queries.items()} == {
        "content": 8,
        "still": 8,
        "motion": 8,
        "order": 8,
    }
    config = load_config(LabConfig, find_config("smoke", "lab"), [f"output={tmp_path}", *FEWER])
    results = Results(config, Plan(config))
    assert [len(set(results.groups(test))) for test in ("content", "still", "motion", "order")] == [
        8,
        8,
        1,
        4,
    ]
    page = (tmp_path / "results" / "index.html").read_text()
    assert "data:image/webp" in page
    assert "<script" not in page
    assert "±" not in page + table  # one seed has no deviation
    marks = {file: file.stat().st_mtime_ns for file in (tmp_path / "done").rglob("*.json")}
    assert main(command) == 0
    assert {file: file.stat().st_mtime_ns for file in marks} == marks
    assert main([*command, "seeds=[0]", "top_k=3"]) == 2
    assert "top_k = 4" in capsys.readouterr().err


class Answers(Results):
    """Results of which seed 0 has half the queries right, and every other seed all."""

    def hits(self, seed: int, arm: str, stage: str, test: str, head: str) -> np.ndarray:
        return np.array([1.0, float(seed > 0)])


@pytest.mark.parametrize(("seeds", "text"), [("[0]", "50.0"), ("[0,1]", "75.0 ± 35.4")])
def test_a_deviation_is_shown_where_there_are_several_seeds(tmp_path: Path, seeds: str, text: str) -> None:
    overrides = [f"output={tmp_path}", f"seeds={seeds}"]
    config = load_config(LabConfig, find_config("smoke", "lab"), overrides)
    assert Answers(config, Plan(config)).shown("static", "zero-shot", "content", "dual") == text


def test_the_table_of_a_lab_that_has_not_run_names_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lab", "table", "--config", "smoke", f"output={tmp_path}"]) == 2
    assert "is missing; run `zoetrope lab run`" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["ablation", "cpu", "gpu", "smoke"])
def test_the_shipped_configs_are_valid(name: str) -> None:
    config = load_config(LabConfig, find_config(name, "lab"))
    assert config.model["clip"]["vision"]["image_size"] == config.corpus.frame_side


def test_the_ablation_continues_the_output_of_the_experiment() -> None:
    main_one, ablation = (
        flatten(load_config(LabConfig, find_config(name, "lab")).to_dict()) for name in ("cpu", "ablation")
    )
    assert {name for name in main_one if main_one[name] != ablation[name]} == {
        "arms",
        "corpus.tuning",
        "results",
        "seeds",
    }


def test_arms_of_the_ablation_change_one_thing_of_the_full_arm(tmp_path: Path) -> None:
    arms = ["negatives", "small", "half_phrases", "two_paths", "with_video"]
    overrides = [f"output={tmp_path}", f"arms=[{','.join(arms)}]", "corpus.real_videos=8"]
    plan = Plan(load_config(LabConfig, find_config("smoke", "lab"), overrides))
    assert "data/real" in {step.name for step in plan.data_steps()}
    list(plan.training_steps())
    mixes = {}
    for arm in arms:
        written = tmp_path / "configs" / "seed0" / arm / "pretrain.yaml"
        mixes[arm] = json.loads(written.read_text())["data"]["mix"]
    full, pictures = mixes["negatives"]
    assert [entry[1] for entry in (mixes["small"], mixes["half_phrases"])] == [pictures, pictures]
    assert mixes["small"][0]["motions"][0] == {"name": "pan_left", "distance": [0.2, 0.4]}
    assert mixes["half_phrases"][0] == {**full, "motion_phrases": full["motion_phrases"] / 2}
    assert mixes["two_paths"][0] == {**full, "paths_per_picture": 2}
    stills, videos, _ = mixes["with_video"]
    assert stills == {**full, "weight": full["weight"] / 2}
    assert videos["equal_captions"] is True
    assert videos["weight"] == stills["weight"]


def test_an_arm_of_videos_needs_videos() -> None:
    with pytest.raises(ConfigError, match="`with_video` without data"):
        load_config(LabConfig, find_config("smoke", "lab"), ["arms=[with_video]"])


def test_an_unknown_arm_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="animated"):
        load_config(LabConfig, find_config("smoke", "lab"), ["arms=[animate]"])


def test_a_mistake_in_the_model_is_found_before_anything_is_made() -> None:
    with pytest.raises(ConfigError, match="temporal_layer"):
        load_config(LabConfig, find_config("smoke", "lab"), ["model={temporal_layer: 1}"])


def test_a_user_without_a_home_keeps_the_package_in_the_output(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder(Path("lab")) == tmp_path / ".cache" / "zoetrope"
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    assert cache_folder(Path("lab")) == Path("lab/cache")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # an id without a name, and no HOME
    assert cache_folder(Path("lab")) == Path("lab/cache")
