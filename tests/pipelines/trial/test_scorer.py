"""A trial of URLs counts what the job of the same list counts, dead links included."""

from __future__ import annotations

import json
from collections import Counter

import cv2
from skimage import data

from schemas.manifest import FAILURES_FILE
from storage.scores import filter_of
from storage.tables import iter_rows
from zoetrope import cli

RULES = "filters=[caption_words, {name: repeated_captions, max: 2}, picture_side]"
FETCH = ["fetch.allow_private=true", "fetch.backoff=0.01"]


def test_a_dead_link_has_the_score_of_its_caption(tmp_path, serve, capsys):
    served = tmp_path / "served"
    served.mkdir()
    cv2.imwrite(str(served / "large.png"), data.coffee())
    cv2.imwrite(str(served / "small.png"), data.coffee()[:150, :150])
    url = serve(served)
    rows = [
        ("large.png", "a cup of coffee"),
        ("small.png", "a part of a cup"),
        ("gone.png", "a picture that is gone"),
        ("gone.png", "gone"),
        *(("large.png", "an equal caption everywhere") for _ in range(3)),
    ]
    table = tmp_path / "urls.csv"
    table.write_text("url,caption\n" + "".join(f"{url}/{name},{caption}\n" for name, caption in rows))
    assert cli.main(["filters", str(table), RULES, *FETCH, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    few = ["clip.size=32", "clip.frames=2", "workers=1", "max_failure_ratio=1"]
    assert cli.main(["animate", str(table), "-o", str(tmp_path / "clips"), RULES, *FETCH, *few]) == 0
    failed = list(iter_rows(str(tmp_path / "clips"), FAILURES_FILE))
    dropped = Counter(filter_of(row["reason"], row["detail"]) for row in failed)
    assert dropped == {"caption_words": 1, "repeated_captions": 3, "picture_side": 1, "": 1}
    assert {name: of["first"] for name, of in found["filters"].items()} == {
        name: count for name, count in dropped.items() if name
    }
    assert found["failures"] == {"fetch/http_404": 1}
    assert found["kept"] == 1


def test_without_filters_a_list_of_urls_gets_the_rules_that_it_can_have(tmp_path, serve, capsys):
    cv2.imwrite(str(tmp_path / "a.png"), data.coffee())
    (tmp_path / "urls.csv").write_text(f"url,caption\n{serve(tmp_path)}/a.png,a cup of coffee\n")
    assert cli.main(["filters", str(tmp_path / "urls.csv"), *FETCH, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kept"], len(found["filters"])) == (1, 12)
    assert "near_duplicates" not in found["filters"]
