"""The maker of the main job with filters of a user's own that hang, crash or take all memory, and texts no
file can hold.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from pipelines.making.clip_worker import ClipMaker, storable
from pipelines.making.handfuls import MOST, handful_limit, handful_size
from pipelines.making.maker import Made
from pipelines.making.messages import Given
from pipelines.workers.worker import whole
from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from schemas.records import Failure, Reason, Reference, Stage
from storage.tables import iter_rows
from transforms.settings import ClipSettings
from zoetrope import cli
from zoetrope.samples import write_folder


def hostile_filter(reference, picture):
    """By the caption: hang, crash, take all memory; keep the others."""
    act = reference.captions[0]
    if act == "hang":
        while True:
            pass
    if act == "crash":
        ctypes.string_at(0)
    if act == "memory":
        np.ones(1 << 28)


def test_a_filter_that_hangs_crashes_or_takes_all_memory_costs_its_samples_alone(tmp_path):
    picture = next(write_folder(tmp_path / "made", 1).rglob("*.jpg")).read_bytes()
    (tmp_path / "pictures").mkdir()
    for number, caption in enumerate(["keep", "hang", "crash", "memory", "keep", "keep"]):
        (tmp_path / f"pictures/{number}.jpg").write_bytes(picture)
        (tmp_path / f"pictures/{number}.txt").write_text(caption)
    fields = [
        "source.kind=folder",
        f"source.uri={tmp_path}/pictures",
        f"output={tmp_path}/clips",
        "workers=2",
    ]
    limits = ["limits.seconds=2", "limits.memory_mb=512", "max_failure_ratio=1", "clip.size=32"]
    filters = "filters=[tests.pipelines.making.test_clips:hostile_filter]"
    assert cli.main(["animate", *fields, *limits, filters]) == 0
    written = [row["caption"] for row in iter_rows(f"{tmp_path}/clips", SAMPLES_FILE)]
    failed = [row["reason"] for row in iter_rows(f"{tmp_path}/clips", FAILURES_FILE)]
    assert written == ["keep"] * 3
    assert failed == ["decoder_timeout", "decoder_crash", "decoder_memory"]


def test_texts_that_utf_8_cannot_hold_are_mended_before_they_are_stored(tmp_path):
    write_folder(tmp_path, 1)
    picture = next(Path(tmp_path).rglob("*.jpg")).read_bytes()
    reference = Reference(
        "a-1", ("a \udcff dog",), "mine", url="http://x/\udcfe", meta={"\ud800": ["\udfff"]}
    )
    maker = ClipMaker(ClipSettings.make({"clip": {"size": 32, "frames": 2}}))
    maker.setup()
    made = whole(maker.make(Given(reference, picture))).value
    assert isinstance(made, Made)
    assert made.row["url"] == "http://x/?"
    assert made.members()["txt"].decode() == "a ? dog"
    assert storable(reference).meta == {"?": ["?"]}


def test_a_picture_that_is_missing_is_the_samples_failure(tmp_path):
    maker = ClipMaker(ClipSettings())
    maker.setup()
    answer = whole(maker.make(Given(Reference("a-1", ("x",), "mine", path=f"{tmp_path}/gone.jpg"), None)))
    assert isinstance(answer.value, Failure)
    assert answer.value.reason == "missing_image"


def test_a_worker_reads_the_captions_of_a_file_before_it_reads_the_picture(tmp_path):
    picture = next(write_folder(tmp_path / "made", 1).rglob("*.jpg")).read_bytes()
    maker = ClipMaker(ClipSettings.make({"clip": {"size": 32, "frames": 2}}))
    maker.setup()
    text = tmp_path / "a.txt"

    def made():
        reference = Reference("a-1", (), "folder", path="a.jpg", captions_file=str(text))
        return whole(maker.make(Given(reference, picture))).value

    assert made() == Failure("a-1", Stage.CAPTION, Reason.MISSING_CAPTION, made().detail)
    text.write_bytes(b"caf\xe9\n")
    assert made() == Failure("a-1", Stage.CAPTION, Reason.NOT_UTF8, f"{text}: byte 3")
    text.write_text(" \n")
    assert made() == Failure("a-1", Stage.CAPTION, Reason.EMPTY_CAPTION, "a.jpg")
    text.write_text("first\n\n second \n")
    assert made().members()["txt"] == b"first"


@pytest.mark.parametrize(("seconds", "size"), [(0.0, 1), (0.0625, 4), (1.0, 1), (1e-6, MOST)])
def test_handfuls_are_small_where_samples_take_long(seconds, size):
    assert handful_size(seconds) == size


@pytest.mark.parametrize(
    ("samples", "workers", "most"),
    [(1000, 64, MOST), (100, 64, 1), (100, 16, 6), (3, 8, 1), (None, 64, MOST)],
)
def test_small_tasks_are_spread_over_all_workers(samples, workers, most):
    assert handful_limit(samples, workers) == most
    assert handful_size(1e-3, most) == most
