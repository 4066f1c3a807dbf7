import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from preview.report.report import CLIP_BYTES, RunStats, motion_rows, write_report

MIX = ["zoom_in", {"name": "pan_left", "weight": 2}, {"name": "tilt", "weight": 1}]
STATS = RunStats(
    command="zoetrope animate --config a.yaml output=clips/",
    started=1_700_000_000.0,
    seconds=30.0,
    written=12,
    failed=6,
    bucket_seconds=10.0,
    throughput=(3, 12, 3),
    config={"seed": 7, "motions": MIX, "output": "clips/"},
    versions={"zoetrope": "0.1.0"},
    counters={"bytes_fetched": 123456},
)


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_json_counts_what_the_tables_hold(output):
    report = write_report(output, STATS)
    values = json.loads(Path(report.json).read_text())
    assert values == json.loads(json.dumps(report.values))
    assert values["output"]["shards"] == 3
    assert values["output"]["samples"] == 12
    assert values["output"]["failed"] == 6
    assert values["output"]["bytes"] == sum(p.stat().st_size for p in Path(output).glob("*.tar"))
    assert values["run"]["samples_a_second"] == 0.6
    assert values["run"]["started"] == "2023-11-14T22:13:20+00:00"
    assert [(f["reason"], f["count"], len(f["examples"])) for f in values["failures"]] == [
        ("http_404", 5, 3),
        ("corrupt", 1, 1),
    ]
    zoom = values["histograms"]["zoom"]
    assert dict(zip(zoom["edges"], zoom["counts"], strict=True)) | {8: 0} == {
        1: 3, 1.1: 3, 1.2: 2, 1.3: 2, 1.4: 2, 1.5: 0, 1.6: 0, 1.8: 0, 2: 0, 2.5: 0, 3: 0, 4: 0, 6: 0, 8: 0,
    }  # fmt: skip
    assert values["clip_sizes"] == {"4 frames of 64x48": 12}
    assert values["config"]["seed"] == 7


@pytest.mark.parametrize(("throughput", "shown"), [((3, 12, 3), True), ((3, 12), False), ((), False)])
def test_the_throughput_of_a_short_run_has_no_columns(output, throughput, shown):
    text = Path(write_report(output, replace(STATS, throughput=throughput)).html).read_text()
    assert ("Throughput over time" in text) is shown


def test_mix_asked_stands_beside_the_mix_drawn():
    rows = {r["motion"]: r for r in motion_rows(MIX, {"zoom_in": 30, "pan_left": 60, "other": 10})}
    assert rows["zoom_in"] == {"motion": "zoom_in", "asked": 0.25, "drawn": 30, "share": 0.3}
    assert rows["pan_left"]["asked"] == 0.5
    assert rows["tilt"] == {"motion": "tilt", "asked": 0.25, "drawn": 0, "share": 0.0}
    assert rows["other"]["asked"] is None


@pytest.mark.parametrize("store", ["frames", "still"])
def test_page_is_self_contained_and_its_clips_move(tmp_path, make_output, store):
    report = write_report(make_output(tmp_path / "clips", store=store), STATS, clips=5)
    text = Path(report.html).read_text()
    page = Tags(text)
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "object")]
    sources = [
        attrs.get("src") or attrs.get("srcset") for tag, attrs in page.tags if tag in ("img", "source")
    ]
    assert len(sources) == 10
    assert all(s.startswith("data:image/webp;base64,") for s in sources)
    assert not re.search(r"url\(|@import|https?://(?!x/)", text)
    moving = [attrs["src"] for tag, attrs in page.tags if tag == "img"]
    with Image.open(io.BytesIO(base64.b64decode(moving[0].partition(",")[2]))) as image:
        assert image.n_frames == 4
        assert image.size == (64, 48)
        assert image.info["loop"] == 0
        assert sum_of_durations(image) == 500


def sum_of_durations(image):
    total = 0
    for i in range(image.n_frames):
        image.seek(i)
        image.load()
        total += image.info["duration"]
    return total


def test_same_output_gives_the_same_clips(output):
    first = Path(write_report(output, STATS, clips=3).html).read_bytes()
    assert Path(write_report(output, STATS, clips=3).html).read_bytes() == first


def test_hostile_text_is_text(tmp_path, make_output):
    evil = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    failure = {"key": evil, "stage": evil, "reason": evil, "detail": evil, "url": evil, "task": 0}
    output = make_output(tmp_path / "clips", [evil] * 12, failures=[failure])
    stats = RunStats(
        command=evil, started=0.0, seconds=1.0, config={evil: evil}, versions={evil: evil}, counters={evil: 1}
    )
    page = Tags(Path(write_report(output, stats).html).read_text())
    assert "script" not in [tag for tag, _ in page.tags]
    assert not [attrs for _, attrs in page.tags if "onerror" in attrs or attrs.get("src") == "x"]
    assert evil in page.text


def test_a_broken_shard_is_named_and_the_report_is_still_written(output):
    for shard in Path(output).glob("*.tar"):
        shard.write_bytes(shard.read_bytes()[:700])
    report = write_report(output, STATS, clips=3)
    assert len(report.values["unreadable_clips"]) == 3
    assert ".tar" in report.values["unreadable_clips"][0]
    assert ".tar" in Tags(Path(report.html).read_text()).text


def test_an_empty_output_has_a_report(tmp_path, make_output):
    report = write_report(make_output(tmp_path / "none", shards=0), RunStats("x", 0.0, 0.0))
    assert report.values["output"] == {"shards": 0, "samples": 0, "bytes": 0, "failed": 0}
    assert report.values["run"]["samples_a_second"] is None


def test_page_stays_small_when_everything_is_large(tmp_path, make_output):
    captions = ["long " * 2000] * 12
    failures = [
        {
            "key": f"k{i}",
            "stage": "fetch",
            "reason": f"reason_{i % 300}",
            "detail": "d" * 300,
            "url": "u" * 5000,
            "task": 0,
        }
        for i in range(2000)
    ]
    output = make_output(tmp_path / "clips", captions, failures=failures)
    stats = RunStats(
        "c" * 100_000, 0.0, 9e5, bucket_seconds=1.0, throughput=(5,) * 90_000, config={"x": "y " * 50_000}
    )
    report = write_report(output, stats)
    assert Path(report.html).stat().st_size < 24 * CLIP_BYTES + 500_000 < 5_000_000


def test_too_many_clips_is_refused(output):
    with pytest.raises(ValueError, match="0 to 24"):
        write_report(output, STATS, clips=25)
