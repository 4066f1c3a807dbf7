"""Pictures of a folder, images of COCO: new ones anywhere, known ones as they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from grown import known_of, read_keys
from source_checks import source_of

from pipelines.sources.growth.rows import Planner, Row, unique
from schemas.errors import ConfigError
from storage.find import find_under


def picture(folder: Path, name: str, caption: str | None = "a caption") -> None:
    (folder / f"{name}.jpg").write_bytes(b"\xff\xd8\xff" + name.encode())
    if caption is not None:
        (folder / f"{name}.txt").write_text(caption)


def test_pictures_in_between_follow_the_known_ones(tmp_path):
    for name in ("b", "d", "f"):
        picture(tmp_path, name)
    source = source_of(kind="folder", uri=tmp_path)
    first = list(source.plan())
    for name in ("a", "c"):
        picture(tmp_path, name)
    grown = list(source.plan_from(known_of(first)))
    assert grown[:2] == first
    keys = [f"folder-{number:08d}-{name}" for number, name in enumerate("bdfac")]
    assert read_keys(source, grown) == keys
    assert [task.index for task in grown] == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "a.jpg").unlink(), r"a\.jpg: it has gone"),
        (lambda folder: picture(folder, "a", "another caption"), r"a\.jpg: it, or its caption, has changed"),
        (lambda folder: (folder / "a.jpg").write_bytes(b"\xff\xd8\xff"), r"a\.jpg: it, or its caption"),
        (lambda folder: (folder / "a.txt").unlink(), r"a\.jpg: it, or its caption, has changed"),
    ],
)
def test_a_picture_that_has_changed_or_gone_is_refused(tmp_path, change, message):
    picture(tmp_path, "a")
    picture(tmp_path, "b")
    source = source_of(kind="folder", uri=tmp_path)
    known = known_of(list(source.plan()))
    change(tmp_path)
    picture(tmp_path, "c")
    with pytest.raises(ConfigError, match=message):
        list(source.plan_from(known))


def test_a_picture_that_got_its_caption_later_is_no_change(tmp_path):
    picture(tmp_path, "a", None)
    picture(tmp_path, "b")
    source = source_of(kind="folder", uri=tmp_path)
    known = known_of(list(source.plan()))
    picture(tmp_path, "a")
    assert [task.samples for task in source.plan_from(known)] == [2]


def test_a_retry_keeps_the_places_of_pictures_that_have_gone_and_plans_no_new_ones(tmp_path):
    for name in "abcd":
        picture(tmp_path, name)
    source = source_of(kind="folder", uri=tmp_path)
    known = known_of(list(source.plan()), strict=False, grows=False)
    (tmp_path / "a.jpg").unlink()
    picture(tmp_path, "z")
    tasks = list(source.plan_from(known))
    assert read_keys(source, tasks) == [f"folder-{n:08d}-{name}" for n, name in enumerate("abcd")][1:]
    assert [task.samples for task in tasks] == [1, 2]


def test_captions_of_a_table_count(tmp_path):
    for name in "ab":
        picture(tmp_path, name, None)
    captions = tmp_path / "captions.csv"
    captions.write_text("file_name,caption\na.jpg,one\nb.jpg,two\n")
    source = source_of(kind="folder", uri=tmp_path)
    known = known_of(list(source.plan()))
    picture(tmp_path, "c", None)
    captions.write_text("file_name,caption\nc.jpg,three\nb.jpg,two\na.jpg,one\n")
    assert [task.samples for task in source.plan_from(known)] == [2, 1]
    captions.write_text("file_name,caption\na.jpg,one\nb.jpg,zwei\nc.jpg,three\n")
    with pytest.raises(ConfigError, match=r"b\.jpg: it, or its caption, has changed"):
        list(source.plan_from(known))


def coco(path: Path, captions: dict[int | str, str]) -> None:
    images = [{"id": name, "file_name": f"{name}.jpg"} for name in captions]
    annotations = [{"image_id": name, "caption": text} for name, text in captions.items()]
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    for name in captions:
        (path.parent / "pictures").mkdir(exist_ok=True)
        picture(path.parent / "pictures", str(name), None)


def test_images_of_any_id_are_added_to_coco(tmp_path):
    path = tmp_path / "captions.json"
    coco(path, {3: "three", 7: "seven", "x": "text"})
    fields = {"kind": "coco", "annotations": path, "images": tmp_path / "pictures"}
    source = source_of(**fields)
    first = list(source.plan())
    coco(path, {3: "three", 7: "seven", "x": "text", 1: "one", "y": "another"})
    grown = list(source.plan_from(known_of(first)))
    assert grown[:2] == first
    assert read_keys(source, grown)[3:] == ["coco-000000000001", "coco-s000000004-y"]
    coco(path, {3: "drei", 7: "seven", "x": "text", 1: "one"})
    with pytest.raises(ConfigError, match=r"captions\.json: image id 3: it, or its caption, has changed"):
        list(source.plan_from(known_of(first)))


def test_the_first_files_alone_are_the_source_of_before(tmp_path):
    picture(tmp_path, "a")
    before = source_of(kind="folder", uri=tmp_path)
    identity, files = before.fingerprint(), len(find_under(str(tmp_path)))
    picture(tmp_path, "b")
    assert source_of(kind="folder", uri=tmp_path).as_before(None, files).fingerprint() == identity


def test_rows_of_one_name_are_numbered():
    rows = [Row(name, name, f"{name}-{{0}}", {}) for name in ("a", "b", "a", "a")]
    assert [row.name for row in unique(rows)] == ["a", "b", "a#2", "a#3"]
    (task,) = Planner(9, None, "source.uri").plan(rows)
    assert [row["key"] for row in task.payload["rows"]] == ["a-0", "b-1", "a-2", "a-3"]
