"""DiDeMo and ActivityNet Captions in the form in which they are published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from video_lists import planned

from pipelines.sources.base import make_source, read_task
from pipelines.sources.videos.config import VideoSourceConfig
from schemas.errors import ConfigError

DIDEMO = [  # objects of test_data.json
    {
        "annotation_id": 7,
        "description": "a man  walks in\n",
        "dl_link": "https://www.flickr.com/video_download.gne?id=4",
        "num_segments": 6,
        "recieved_date": "2016-08-22",
        "reference_description": "a man walks in",
        "times": [[1, 1], [1, 2], [0, 1], [1, 1]],
        "video": "10015567@N08_3655084291_f8b58df9c8.m4v",
    },
    {
        "annotation_id": 8,
        "description": "it ends",
        "times": [[5, 5]],
        "video": "4@N00_2_c.avi",
        "num_segments": 6,
    },
    {
        "annotation_id": 9,
        "description": "he leaves",
        "times": [[0, 0]],
        "video": "10015567@N08_3655084291_f8b58df9c8.m4v",
    },
]
ACTIVITYNET = {  # of val_1.json
    "v_uqiMw7tQ1Cc": {
        "duration": 55.15,
        "timestamps": [[20.0, 40.5], [0.28, 10.5], [20, 30]],
        "sentences": [" Then the bar is dropped.", "A weight lifter is in a gym.", " He lifts it."],
    },
    "v_bXdq2zI1Ms0": {
        "duration": 73.1,
        "timestamps": [[0, 73.1]],
        "sentences": ["Three men stand on a mat."],
    },
}


def test_the_descriptions_of_a_didemo_video_are_one_paragraph_in_the_files_order(tmp_path: Path) -> None:
    (tmp_path / "test_data.json").write_text(json.dumps(DIDEMO))
    files = ["10015567@N08_3655084291_f8b58df9c8.m4v", "4@N00_2_c.avi.mp4"]  # the second was converted
    rows = planned(tmp_path, files, kind="didemo", annotations=tmp_path, split="test")
    assert [row[1:] for row in rows] == [("a man walks in he leaves",), ("it ends",)]
    in_it = planned(tmp_path, files, kind="didemo", annotations=tmp_path / "test_data.json")
    assert in_it == rows


def test_the_sentences_of_an_activitynet_video_are_one_paragraph_in_time_order(tmp_path: Path) -> None:
    (tmp_path / "val_1.json").write_text(json.dumps(ACTIVITYNET))
    files = ["uqiMw7tQ1Cc.mp4", "v_bXdq2zI1Ms0.mkv"]  # with and without v_
    rows = planned(tmp_path, files, kind="activitynet", annotations=tmp_path, split="val_1")
    assert [row[1:] for row in rows] == [
        ("A weight lifter is in a gym. He lifts it. Then the bar is dropped.",),
        ("Three men stand on a mat.",),
    ]


def test_a_sample_keeps_its_sentences_and_moments(tmp_path: Path) -> None:
    (tmp_path / "val_1.json").write_text(json.dumps(ACTIVITYNET))
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "uqiMw7tQ1Cc.mp4").touch()
    values = {
        "kind": "activitynet",
        "annotations": str(tmp_path / "val_1.json"),
        "videos": str(tmp_path / "videos"),
    }
    source = make_source(VideoSourceConfig.make(values), shard_samples=5)
    (task,) = source.plan()
    first = next(iter(read_task(source, task)))
    assert first.image_id == "v_uqiMw7tQ1Cc"
    assert first.meta["timestamps"] == [[0.28, 10.5], [20.0, 30.0], [20.0, 40.5]]
    assert first.meta["sentences"][1] == "He lifts it."


def test_sentences_without_times_keep_the_files_order(tmp_path: Path) -> None:
    item = {"duration": 3, "timestamps": [[1, 2], "x"], "sentences": ["b", "a", 5, None]}
    (tmp_path / "train.json").write_text(json.dumps({"v_x": item}))
    rows = planned(tmp_path, ["x.mp4"], kind="activitynet", annotations=tmp_path, split="train")
    assert rows == [("0000000-v_x", "b a")]


def test_broken_entries_are_failures_and_a_video_without_text_has_no_caption(tmp_path: Path) -> None:
    broken = [7, {"description": "no video"}, {"video": "a.avi", "description": None}, *DIDEMO[1:2]]
    (tmp_path / "val_data.json").write_text(json.dumps(broken))
    rows = planned(tmp_path, ["a.avi", "4@N00_2_c.avi"], kind="didemo", annotations=tmp_path, split="val")
    assert [row[1] for row in rows] == ["missing_caption", "it ends", "malformed_row", "malformed_row"]
    assert rows[2][2].endswith("val_data.json: entry 0: no video")


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("didemo", '{"a": 1', "not a readable JSON: it is cut off"),
        ("didemo", '{"a": 1}', "no entry of it has 'video' and 'description'; is it the file of kind didemo"),
        ("activitynet", "[1, 2]", "no entry of it has 'sentences'"),
        ("activitynet", '{"v_a": ["x"]}', "no entry of it has 'sentences'"),
        ("activitynet", "\0\1", "not a readable JSON"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, kind: str, content: str, message: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ConfigError) as error:
        planned(tmp_path, ["a.avi"], kind=kind, annotations=tmp_path / "x.json")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_split_that_is_not_there_names_the_file_that_it_needs(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"holds no train_data\.json; give the folder of the published files"
    ):
        planned(tmp_path, ["a.avi"], kind="didemo", annotations=tmp_path, split="train")
    with pytest.raises(ConfigError, match=r"'validation' is none of train, val, test"):
        planned(tmp_path, ["a.avi"], kind="didemo", annotations=tmp_path, split="validation")
