"""The page holds its data, runs its own script alone, and loads nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from preview.runs.page import POINTS, groups, render, write_page
from preview.runs.read import read_runs
from schemas.errors import ConfigError
from tests.preview.runs.test_read import make_run
from tests.preview.runs.test_summary import run

EVIL = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'


def embedded(html: str) -> dict:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    return json.loads(text)


def test_the_page_holds_every_curve_thinned() -> None:
    html = render([run("a", {"global_batch_size": 8}, loss=[float(i) for i in range(5 * POINTS)])], "now")
    (found,) = embedded(html)["runs"]
    steps, values = found["series"]["loss"]
    assert len(steps) == len(values) == POINTS
    assert (steps[0], values[0], found["batch"]) == (50, 2.0, 8)


def test_values_are_in_the_part_of_their_kind() -> None:
    runs = [run("a", t2v_R1=[1.0], loss=[1.0], mfu=[0.1], lr_new=[0.1], samples=[8.0])]
    parts = {part["title"]: part["names"] for part in groups(runs)}
    assert parts == {"Evaluation": ["t2v.R1"], "Loss": ["loss"], "Speed": ["mfu"], "Other": ["lr.new"]}


def test_hostile_names_stay_text_and_only_the_page_s_own_script_may_run() -> None:
    runs = [run(EVIL, {"init": EVIL}, loss=[1.0]), run("b", {"init": "x"}, **{EVIL: [1.0]})]
    html = render(runs, "now")
    assert "<img src=x" not in html
    assert embedded(html)["runs"][0]["name"] == EVIL
    scripts = re.findall(r"<script>(.*?)</script>", html, re.S)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html
    assert "default-src 'none'" in html
    assert not re.search(r"""(src|href|srcset)=["'](?!data:)""", html)


def test_a_page_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_page(str(tmp_path / "run" / "config.yaml" / "page.html"), read_runs([str(tmp_path)]))
