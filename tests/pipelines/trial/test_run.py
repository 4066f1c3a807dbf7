"""`zoetrope filters` agrees with the job of the same config, makes nothing, and takes what the job takes."""

from __future__ import annotations

import json
from collections import Counter

import cv2
import pytest
from skimage import data

from schemas.manifest import FAILURES_FILE
from storage.scores import filter_of
from storage.tables import iter_rows
from zoetrope import cli

RULES = "filters=[exact_duplicates, picture_side, {name: picture_blur, min: 100}, caption_words]"
FEW = ["clip.size=32", "clip.frames=2", "workers=1", "shard.max_samples=4"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two kept, a copy of one, one small with a short caption, one blurred, one broken, one without words."""
    folder = tmp_path_factory.mktemp("trial") / "pictures"
    folder.mkdir()
    add(folder, "a-kept", data.coffee(), "a cup of coffee")
    add(folder, "b-copy", data.coffee(), "the same cup again")
    add(folder, "c-kept", data.astronaut(), "a woman in orange")
    add(folder, "d-small", data.coffee()[:120, :120], "cup")
    add(folder, "e-soft", cv2.GaussianBlur(data.coffee(), (0, 0), 8), "a cup out of focus")
    (folder / "f-broken.png").write_bytes(b"no picture")
    (folder / "f-broken.txt").write_text("a picture that is broken")
    add(folder, "g-silent", data.astronaut(), "")
    return folder


def add(folder, name, image, caption):
    cv2.imwrite(str(folder / f"{name}.png"), image[..., ::-1])
    (folder / f"{name}.txt").write_text(caption)


def tried(capsys, *arguments):
    code = cli.main(["filters", *map(str, arguments), "--json"])
    out = capsys.readouterr().out
    assert code == 0
    return json.loads(out)


def test_it_counts_what_a_job_drops(pictures, tmp_path, capsys):
    found = tried(capsys, pictures, RULES, "workers=1")
    output = tmp_path / "clips"
    assert cli.main(["animate", str(pictures), "-o", str(output), RULES, *FEW, "max_failure_ratio=1"]) == 0
    rows = list(iter_rows(str(output), FAILURES_FILE))
    dropped = Counter(filter_of(row["reason"], row["detail"]) for row in rows)
    failed = Counter(f"{row['stage']}/{row['reason']}" for row in rows if row["reason"] != "filtered")
    assert {name: of["first"] for name, of in found["filters"].items() if of["first"]} == {
        name: count for name, count in dropped.items() if name
    }
    assert found["failures"] == failed
    assert found["kept"] == 7 - len(rows)
    assert found["filters"]["picture_blur"]["nearest_dropped"][0][0].endswith("e-soft")


def test_it_makes_nothing_and_takes_the_first_inputs_alone(pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = tried(capsys, pictures, "filters=[caption_words]", "--limit", "2")
    assert (found["inputs"], found["kept"]) == (2, 2)
    assert list(tmp_path.iterdir()) == []


def test_without_filters_every_rule_without_a_model_is_tried(pictures, capsys):
    found = tried(capsys, pictures, "--limit", "1", "workers=1")
    assert len(found["filters"]) == 14
    assert found["config"]["filters"][0] == {"name": "caption_words", "min": 3, "max": 256}


@pytest.mark.parametrize("limit", ["0", "20001"])
def test_a_limit_out_of_range_is_one_line(pictures, limit, capsys):
    assert cli.main(["filters", str(pictures), "--limit", limit]) == 2
    assert f"--limit {limit}: must be 1 to 20,000" in capsys.readouterr().err
