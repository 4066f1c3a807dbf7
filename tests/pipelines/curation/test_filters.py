"""Rules end to end: the config, the failure with its reason and scores, KEY.json and the tables."""

from __future__ import annotations

import json

import cv2
import pytest
from skimage import data

from pipelines.making.clip_worker import ClipMaker
from pipelines.making.messages import Given
from pipelines.output.finish import Totals
from pipelines.result import RunResult
from pipelines.workers.worker import whole
from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from schemas.records import Failure, Reference
from storage.shards.read import iter_shard
from storage.tables import expand_shards, iter_rows
from transforms.curation.captions import CaptionJunk, CaptionWords
from transforms.curation.pictures import PictureBlur, PictureSide
from transforms.settings import ClipSettings
from zoetrope import cli

FEW = ["clip.size=32", "clip.frames=2", "workers=1", "shard.max_samples=3"]
RULES = "filters=[caption_words, picture_side, {name: picture_blur, min: 100}, picture_black]"


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """Five pictures: one is kept, one has a short caption, one is small, one is blurred, one is broken."""
    folder = tmp_path_factory.mktemp("job")
    blurred = cv2.GaussianBlur(data.coffee(), (0, 0), 8)
    add(folder / "in", "kept", data.coffee(), "a cup of coffee")
    add(folder / "in", "short", data.coffee(), "coffee")
    add(folder / "in", "small", data.coffee()[:120, :120], "a part of a cup")
    add(folder / "in", "soft", blurred, "a cup out of focus")
    (folder / "in" / "broken.jpg").write_bytes(b"no picture")
    (folder / "in" / "broken.txt").write_text("a picture that is broken")
    arguments = [str(folder / "in"), f"output={folder}/out", *FEW, RULES, "max_failure_ratio=0.5"]
    assert cli.main(["animate", *arguments]) == 0
    return folder / "out"


def add(folder, name, image, caption):
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / f"{name}.png"), image[..., ::-1])
    (folder / f"{name}.txt").write_text(caption)


def test_a_dropped_sample_is_a_failure_with_the_scores_so_far(output):
    rows = {row["key"].rpartition("-")[2]: row for row in iter_rows(str(output), FAILURES_FILE)}
    found = {name: (row["stage"], row["reason"], row["detail"].split(",")[0]) for name, row in rows.items()}
    assert found["short"] == ("filter", "filtered", "caption_words: 1")
    assert found["small"] == ("filter", "filtered", "picture_side: 120")
    assert found["soft"][:2] == ("filter", "filtered")
    assert found["soft"][2].startswith("picture_blur: ")
    assert found["broken"][:2] == ("decode", "not_an_image")
    assert json.loads(rows["short"]["scores"]) == {"caption_words": 1}
    assert json.loads(rows["small"]["scores"]) == {"caption_words": 5, "picture_side": 120}
    assert sorted(json.loads(rows["soft"]["scores"])) == ["caption_words", "picture_blur", "picture_side"]


def test_the_scores_of_a_clip_are_in_its_key_json_and_in_the_table(output):
    (row,) = iter_rows(str(output), SAMPLES_FILE)
    samples = [sample for shard in expand_shards(str(output)) for sample in iter_shard(shard)]
    (meta,) = (sample.meta() for sample in samples)
    assert dict(meta.scores) == json.loads(row["scores"])
    assert meta.scores["caption_words"] == 4
    assert meta.scores["picture_side"] == 400
    assert 900 < meta.scores["picture_blur"] < 1200


@pytest.mark.parametrize(
    ("written", "failed", "dropped", "ratio"),
    [(1, 1, 3, 0.5), (5, 0, 95, 0.0), (0, 0, 9, 1.0), (0, 4, 0, 1.0)],
)
def test_what_filters_drop_is_no_failure_of_the_job(written, failed, dropped, ratio):
    inputs, reasons = written + failed + dropped, {"filtered": dropped, "timeout": failed}
    totals = Totals(1, inputs, written, failed + dropped, 0, reasons)
    result = RunResult("out", totals, written, failed, 0, 1.0, 0.5, "runner")
    assert (result.failure_ratio, result.exit_code) == (ratio, int(ratio > 0.5))


def worker(*filters) -> ClipMaker:
    maker = ClipMaker(ClipSettings(clip={"size": 32, "frames": 2}), filters)
    maker.setup()
    return maker


def encoded(image) -> bytes:
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()


def test_cheap_rules_are_called_first_whatever_their_place():
    given = Given(Reference("k", ("IMG_2034.jpg",), "test"), b"never decoded")
    failure = whole(worker(PictureBlur(), PictureSide(), CaptionJunk()).make(given)).value
    assert isinstance(failure, Failure)
    assert (failure.detail, dict(failure.scores)) == ("caption_junk: 1, over max=0.3", {"caption_junk": 1.0})


def test_a_header_that_is_refused_is_not_decoded():
    cut = encoded(data.coffee()[:100, :100])[:300]  # its header is whole, its pixels are not
    given = Given(Reference("k", ("a cup of coffee",), "test"), cut)
    assert whole(worker(PictureSide()).make(given)).value.detail == "picture_side: 100, under min=200"


def test_the_caption_that_is_scored_is_that_of_key_txt():
    captions = tuple("word " * number for number in range(1, 9))
    maker = ClipMaker(ClipSettings(captions={"pick": "random"}), (CaptionWords(min=0),))
    maker.setup()
    made = whole(maker.make(Given(Reference("k", captions, "test"), encoded(data.coffee())))).value.members()
    assert json.loads(made["json"])["scores"]["caption_words"] == len(made["txt"].split())


def test_without_filters_key_json_has_no_scores():
    made = whole(worker().make(Given(Reference("k", ("a cup",), "test"), encoded(data.coffee())))).value
    assert b"scores" not in made.members()["json"]
    assert made.row["scores"] is None


def test_the_report_and_the_commands_show_what_filters_did(output, capsys):
    page = (output / "report.html").read_text()
    assert "Scores of the filters" in page
    assert "picture_blur: 1 dropped" in page
    values = json.loads((output / "report.json").read_text())
    assert values["dropped"] == {"caption_words": 1, "picture_side": 1, "picture_blur": 1}
    assert sum(values["scores"]["caption_words"]["counts"]) == 5
    assert cli.main(["failures", str(output)]) == 0
    assert "1  filtered by picture_side  e.g. " in capsys.readouterr().out
    assert cli.main(["stats", str(output)]) == 0
    told = capsys.readouterr().out
    assert "dropped by filters:" in told
    assert "picture_side" in told
