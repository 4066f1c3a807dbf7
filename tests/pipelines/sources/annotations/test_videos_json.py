import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.sources.annotations.videos_json import read_videos

WANTED = {"video0": ["one", "two"], "video1": ["three"]}
FORMS: dict[str, Any] = {
    "MSRVTT_data.json": {
        "info": {"year": 2016},
        "sentences": [
            {"video_id": "video0", "caption": "one", "sen_id": 0},
            {"video_id": "video1", "caption": "three", "sen_id": 1},
            {"video_id": "video0", "caption": "two", "sen_id": 2},
        ],
        "videos": [{"video_id": "video0", "id": 7}, {"video_id": "video1", "id": 8}],
    },
    "COCO's form": {
        "images": [{"id": "video0"}, {"id": "video1"}],
        "licenses": [{"name": "x"}],
        "annotations": [
            {"image_id": "video0", "caption": "one"},
            {"image_id": "video0", "caption": "two"},
            {"image_id": "video1", "caption": "three"},
        ],
    },
    "sentences alone": {
        "sentences": [{"video_id": v, "caption": c} for v, captions in WANTED.items() for c in captions]
    },
    "a row per video": [{"video_id": v, "video": f"{v}.mp4", "caption": c} for v, c in WANTED.items()],
    "a row per caption": [{"video": v, "caption": c} for v, captions in WANTED.items() for c in captions],
    "VATEX as released": [{"videoID": v, "enCap": c, "chCap": ["x"]} for v, c in WANTED.items()],
    "VATEX by id": {v: {"enCap": c, "chCap": ["x"]} for v, c in WANTED.items()},
    "captions by id": WANTED,
    "objects by id": {v: [{"caption": text} for text in c] for v, c in WANTED.items()},
}
FIELDS = ("enCap", "caption", "captions")


def read(
    tmp_path: Path, value: Any, fields: tuple[str, ...] = FIELDS, mark: bytes = b""
) -> dict[str, list[str]]:
    (tmp_path / "v.json").write_bytes(mark + json.dumps(value).encode())
    found = read_videos([str(tmp_path / "v.json")], "source.annotations", fields)
    return {video: item.captions for video, item in found.items()}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_gives_the_same_captions(tmp_path: Path, form: str) -> None:
    assert read(tmp_path, FORMS[form]) == WANTED
    assert read(tmp_path, FORMS[form], mark=b"\xef\xbb\xbf") == WANTED


@pytest.mark.parametrize(("listed", "told"), [("7", 7), (7, "7"), (7.0, 7), ("7", 7.0)])
def test_ids_of_any_type_meet(tmp_path: Path, listed: Any, told: Any) -> None:
    value = {"videos": [{"video_id": listed}], "sentences": [{"video_id": told, "caption": "x"}]}
    assert read(tmp_path, value) == {"7": ["x"]}


def test_another_language_has_its_own_field_only(tmp_path: Path) -> None:
    assert read(tmp_path, FORMS["VATEX as released"], ("chCap",)) == {"video0": ["x"], "video1": ["x"]}
    assert read(tmp_path, FORMS["a row per video"], ("chCap",)) == {"video0": [], "video1": []}


def test_values_that_are_no_captions_are_left_out(tmp_path: Path) -> None:
    value = {"video0": None, "video1": [1, {"x": 2}, float("nan"), "one"], "video2": {}}
    assert read(tmp_path, value) == {"video0": [], "video1": ["one"], "video2": []}
