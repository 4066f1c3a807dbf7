"""Something-Something v2 in the form in which it is released, and Singularity's retrieval sets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from video_lists import planned

from schemas.errors import ConfigError

RELEASED = [
    {
        "id": "78687",
        "label": "holding potato next to vicks vaporub bottle",
        "template": "Holding [something] next to [something]",
        "placeholders": ["potato", "vicks vaporub bottle"],
    },
    {
        "id": "42326",
        "label": "pretending or failing to wipe ink off of a marker",
        "template": "Pretending or failing to wipe [something] off of [something]",
        "placeholders": ["ink", "a marker"],
    },
]
RETRIEVAL = [
    {"video": ["78687.webm", "1.webm"], "caption": "Holding something next to something"},
    {"image": "2.webm", "caption": "Moving something up"},
]
FILES = ["78687.webm", "42326.webm", "1.webm", "2.webm"]


@pytest.mark.parametrize("name", ["something-something-v2-train.json", "train.json"])
def test_the_caption_is_the_template_without_its_brackets(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(json.dumps(RELEASED))
    rows = planned(tmp_path, FILES, kind="ssv2", annotations=tmp_path, split="train")
    assert rows == [
        ("0000000-78687", "Holding something next to something"),
        ("0000001-42326", "Pretending or failing to wipe something off of something"),
    ]


def test_or_the_label_with_its_objects(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text(json.dumps(RELEASED))
    rows = planned(tmp_path, FILES, kind="ssv2", annotations=tmp_path, split="train", text="label")
    assert rows[0][1] == "holding potato next to vicks vaporub bottle"


def test_each_video_of_a_retrieval_set_has_its_template(tmp_path: Path) -> None:
    (tmp_path / "ssv2_ret_template_val_small.json").write_text(json.dumps(RETRIEVAL))
    rows = planned(tmp_path, FILES, kind="ssv2", annotations=tmp_path, split="retrieval")
    assert [row[1] for row in rows] == [*["Holding something next to something"] * 2, "Moving something up"]
    with pytest.raises(ConfigError, match=r"holds no ssv2_ret_label_val_small\.json"):
        planned(tmp_path, FILES, kind="ssv2", annotations=tmp_path, split="retrieval", text="label")


def test_the_test_json_without_labels_and_other_files_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "test.json"
    for content in ([{"id": "78687"}], {"Holding something": "0"}, [3]):
        path.write_text(json.dumps(content))
        with pytest.raises(ConfigError, match=r"no entry of it has 'template' or 'caption'"):
            planned(tmp_path, FILES, kind="ssv2", annotations=path)


def test_broken_entries_are_failures(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([*RELEASED[:1], None, {"template": "x"}, {"id": 1, "template": 4}]))
    rows = planned(tmp_path, FILES, kind="ssv2", annotations=path)
    assert [row[1] for row in rows][1:] == ["missing_caption", "malformed_row", "malformed_row"]


def test_text_has_no_effect_for_other_kinds(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="text has no effect for kind didemo"):
        planned(tmp_path, FILES, kind="didemo", annotations=tmp_path, text="label")
