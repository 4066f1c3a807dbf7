"""A source, filters and a pipeline of a user's own, as docs/extending.md shows them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from extensions import EXAMPLES
from made_videos import make_video
from PIL import Image

from pipelines.sources.base import Source
from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from schemas.records import Reference
from storage.shards.read import iter_shard
from storage.tables import expand_shards, iter_rows
from zoetrope import cli
from zoetrope.samples import write_folder

SMALL = ["clip.size=32", "clip.frames=3", "workers=1", "max_failure_ratio=1"]


@pytest.fixture
def pictures(tmp_path) -> list[Path]:
    write_folder(tmp_path / "pictures", 4)
    found = sorted(path for path in (tmp_path / "pictures").rglob("*.jpg"))
    Image.fromarray(np.zeros((100, 100, 3), np.uint8)).save(found[3])
    return found


def run(output: Path, *settings: str) -> int:
    return cli.main(["animate", f"output={output}", *SMALL, *settings])


def test_a_source_and_filters_of_ones_own(tmp_path, pictures):
    lines = [
        f"{pictures[0]} | a dog on a beach",
        "no bar here",
        f"{pictures[1]} | two words",
        f"{pictures[3]} | a very dark room",
    ]
    (tmp_path / "list.txt").write_text("\n".join([*lines, f"{tmp_path}/gone.jpg | a picture that is gone"]))
    source = ["source.kind=extensions:CaptionedPaths", f"source.options={{list: {tmp_path}/list.txt}}"]
    assert run(tmp_path / "clips", *source, "filters=[extensions:has_words, extensions:Bright]") == 0
    (row,) = iter_rows(str(tmp_path / "clips"), SAMPLES_FILE)
    assert (row["key"], row["caption"], row["source"]) == ("mine-00000-0000", "a dog on a beach", "mine")
    failures = {
        row["key"][-1]: (row["stage"], row["reason"], row["detail"])
        for row in iter_rows(str(tmp_path / "clips"), FAILURES_FILE)
    }
    assert failures["1"] == ("plan", "malformed_row", "no bar here")
    assert failures["2"] == ("filter", "filtered", "extensions:has_words: under three words")
    assert failures["3"] == ("filter", "filtered", "extensions:Bright: too dark")
    assert failures["4"][:2] == ("read", "missing_image")


def test_a_source_of_videos_of_ones_own(tmp_path):
    make_video(tmp_path / "videos" / "one.mp4", frames=30)
    (tmp_path / "mine.json").write_text(
        json.dumps({"one": ["a red square", "a square"], "gone": ["x"], "none": []})
    )
    settings = [f"source.videos={tmp_path}/videos", f"source.annotations={tmp_path}/mine.json", "workers=1"]
    own = ["source.kind=extensions:CaptionedIds", "source.options={name: mine}", f"output={tmp_path}/clips"]
    assert cli.main(["import-videos", *own, *settings]) == 0
    (uri,) = expand_shards(str(tmp_path / "clips"))
    (sample,) = iter_shard(uri)
    assert (sample.key, sample.meta().captions) == ("0000000-one", ("a red square", "a square"))
    assert sample.meta().meta["list"] == "mine"
    reasons = [row["reason"] for row in iter_rows(str(tmp_path / "clips"), FAILURES_FILE)]
    assert reasons == ["missing_video", "missing_caption"]


class PathsOfVideos(Source):
    """A source of videos that plans and reads by itself."""

    def plan(self):
        yield from self.tasks(self.config.options["paths"])

    def read(self, task):
        for number, path in enumerate(task.payload["rows"]):
            yield Reference(f"path-{number}", ("a video",), "paths", path=path)

    def fingerprint(self):
        return {"kind": "paths"}


def test_any_source_whose_references_have_a_path_can_be_imported(tmp_path):
    video = make_video(tmp_path / "one.mp4", frames=30)
    own = ["source.kind=tests.pipelines.test_extending:PathsOfVideos", f"source.options={{paths: [{video}]}}"]
    settings = [*own, f"output={tmp_path}/clips", "workers=1"]
    assert cli.main(["import-videos", *settings, "--dry-run"]) == 0
    assert cli.main(["import-videos", *settings]) == 0
    assert [row["key"] for row in iter_rows(str(tmp_path / "clips"), SAMPLES_FILE)] == ["path-0"]


def always_true(reference):
    return True


def breaks(reference, picture):
    raise RuntimeError("my model broke")


def three(a, b, c):
    return None


def test_a_filter_that_breaks_is_that_samples_failure(tmp_path, pictures):
    settings = [
        "source.kind=folder",
        f"source.uri={pictures[0].parent}",
        "filters=[tests.pipelines.test_extending:breaks]",
    ]
    assert run(tmp_path / "clips", *settings) == 0
    rows = list(iter_rows(str(tmp_path / "clips"), FAILURES_FILE))
    assert {(row["reason"], row["detail"]) for row in rows} == {("error", "RuntimeError: my model broke")}


@pytest.mark.parametrize(
    ("filters", "code", "message"),
    [
        (
            "tests.pipelines.test_extending:always_true",
            1,
            "always_true returned True: return None to keep a sample",
        ),
        (
            "tests.pipelines.test_extending:nothing",
            2,
            "tests.pipelines.test_extending:nothing cannot be imported",
        ),
        ("nothing", 2, "write it as module:name"),
        ("tests.pipelines.test_extending:SMALL", 2, "is not a function or class"),
        (
            "tests.pipelines.test_extending:three",
            2,
            "takes 3 arguments: it must take (reference) or (reference, picture)",
        ),
    ],
)
def test_a_filter_that_cannot_be_used_is_one_line(tmp_path, pictures, capsys, filters, code, message):
    settings = ["source.kind=folder", f"source.uri={pictures[0].parent}", f"filters=[{filters}]"]
    assert run(tmp_path / "clips", *settings) == code
    assert message in capsys.readouterr().err


def test_the_page_s_larger_pipeline(tmp_path, pictures, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    exec(EXAMPLES[3].replace("beam.Pipeline()", "beam.Pipeline(runner='FnApiRunner')"), namespace)
    counts = [line.split() for path in tmp_path.glob("motions-*") for line in path.read_text().splitlines()]
    assert sum(int(count) for _, count in counts) == 4
    assert (tmp_path / "clips" / "00000.tar").exists()
