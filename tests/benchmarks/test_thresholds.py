"""The measured defaults are those that ship, and the benchmark tells what it counts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from skimage import data

from benchmarks.harness import ROOT
from benchmarks.judged_pictures import VERSIONS, large_words, page_of_text
from benchmarks.thresholds import look_of, share_dropped
from transforms.curation.pictures import PICTURE_RULES, PictureBlur, PictureContrast, PictureText

MEASURED = json.loads((ROOT / "benchmarks" / "results" / "thresholds.json").read_text())["rules"]


@pytest.mark.parametrize("rule", PICTURE_RULES)
def test_the_defaults_were_measured(rule):
    (bound,) = MEASURED[rule.name]["default"].items()
    name, value = bound
    assert getattr(rule(), name) == value, "run python -m benchmarks.thresholds again"
    assert MEASURED[rule.name]["thresholds"][str(value)]["false rejections, percent"] <= 0.5


def test_the_share_that_a_rule_drops_is_in_percent():
    scores = [{"picture_blur": score} for score in (10.0, 49.0, 50.0, 900.0)]
    assert share_dropped(PictureBlur(), scores) == 50.0


def test_versions_are_what_their_names_say():
    image = data.coffee()
    _, blur = VERSIONS["Gaussian blur 4"]
    _, flat = VERSIONS["contrast x 0.05"]
    assert PictureBlur().score(look_of(blur(image))) < 50 < PictureBlur().score(look_of(image))
    assert PictureContrast().score(look_of(flat(image))) < 8 < PictureContrast().score(look_of(image))
    assert all(make(image).dtype == np.uint8 for _, make in VERSIONS.values())


def test_full_pages_have_more_text_than_large_words():
    page = page_of_text(np.random.default_rng(0), 18, 1.0, "black", "white")
    assert PictureText().score(look_of(large_words(3))) < 0.2 < PictureText().score(look_of(page))
