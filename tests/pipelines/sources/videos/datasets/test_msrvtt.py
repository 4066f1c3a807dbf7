import json
from pathlib import Path

import pytest
from video_lists import planned

from schemas.errors import ConfigError

FILES = ["video0.mp4", "video1.mp4", "video7010.mp4"]


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    videos = [
        {"video_id": f"video{i}", "split": s} for i, s in ((0, "train"), (1, "validate"), (7010, "test"))
    ]
    sentences = [{"video_id": v["video_id"], "caption": f"a {v['video_id']}"} for v in videos]
    path = tmp_path / "MSRVTT_data.json"
    path.write_text(json.dumps({"videos": videos, "sentences": sentences}))
    (tmp_path / "MSRVTT_JSFUSION_test.csv").write_text(
        "key,video_id,sentence\nret0,video1,one, with a comma\n"
    )
    return path


@pytest.mark.parametrize(
    ("split", "rows"),
    [
        (
            None,
            [
                ("0000000-video0", "a video0"),
                ("0000001-video1", "a video1"),
                ("0000002-video7010", "a video7010"),
            ],
        ),
        ("train", [("0000000-video0", "a video0")]),
        ("val", [("0000000-video1", "a video1")]),
        ("1k-A", [("0000000-video1", "one, with a comma")]),
    ],
)
def test_each_split_has_its_videos(tmp_path: Path, annotations: Path, split: str | None, rows: list) -> None:
    assert planned(tmp_path, FILES, kind="msrvtt", annotations=annotations, split=split) == rows


def test_a_split_by_number_counts_the_videos_that_are_missing(tmp_path: Path, annotations: Path) -> None:
    rows = planned(tmp_path, FILES, kind="msrvtt", annotations=annotations, split="test.full")
    assert len(rows) == 2990
    assert [row for row in rows if len(row) == 2] == [("0000000-video7010", "a video7010")]


def test_unknown_splits_and_files_without_captions_are_one_line(tmp_path: Path, annotations: Path) -> None:
    with pytest.raises(ConfigError, match=r"source\.split = 'train.6k' is none of .*the nearest"):
        planned(tmp_path, FILES, kind="msrvtt", annotations=annotations, split="train.6k")
    annotations.write_text('{"videos": []}')
    with pytest.raises(ConfigError, match="no 'sentences' in it"):
        planned(tmp_path, FILES, kind="msrvtt", annotations=annotations)
    annotations.write_text('{"videos": [{"video_id": "a"}], "sentences": [{"video_id": "a", "caption": 5}]}')
    with pytest.raises(ConfigError, match="a caption that is text"):
        planned(tmp_path, FILES, kind="msrvtt", annotations=annotations)


def test_a_caption_that_is_not_utf8_costs_itself_and_not_the_file(tmp_path: Path, annotations: Path) -> None:
    sentences = [("video0", "caf\xe9"), ("video1", "caf\xe9"), ("video1", "a cup"), ("video7010", "a cat")]
    videos = [{"video_id": video} for video in ("video0", "video1", "video7010")]
    captions = [{"video_id": video, "caption": caption} for video, caption in sentences]
    text = json.dumps({"videos": videos, "sentences": captions}, ensure_ascii=False)
    annotations.write_bytes(text.encode("latin-1"))
    rows = planned(tmp_path, FILES, kind="msrvtt", annotations=annotations)
    assert rows == [
        ("0000000-video0", "not_utf8", "video video0: caption 'caf?'"),
        ("0000001-video1", "a cup"),
        ("0000002-video7010", "a cat"),
        ("x0000000", "not_utf8", "video video1: caption 'caf?'"),
    ]
