"""A plan in which no video is found says where a file must be, as the annotations name it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.config import ImportConfig
from pipelines.sources.base import make_source
from schemas.errors import ConfigError


@pytest.mark.parametrize(
    ("video", "words"),
    [
        ("video7", "a file must be named by its id, such as video7.mp4"),
        ("video7.avi", "a file must have the name in the annotations, such as video7.avi"),
        ("/elsewhere/video7.mp4", "/elsewhere/video7.mp4 is no file below that folder"),
    ],
)
def test_missing_videos_are_named_as_they_must_be(tmp_path: Path, video: str, words: str) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "other.mp4").write_bytes(b"x")
    (tmp_path / "a.csv").write_text(f"video,caption\n{video},a dog\n")
    values = {"kind": "csv", "videos": f"{tmp_path}/videos", "annotations": f"{tmp_path}/a.csv"}
    config = ImportConfig.make({"source": values, "output": "unused"})
    with pytest.raises(ConfigError) as error:
        list(make_source(config.source, shard_samples=10).plan())
    assert words in str(error.value)
    assert ".mp4.mp4" not in str(error.value)


def test_a_file_that_is_no_pickle_names_the_one_that_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "other.mp4").write_bytes(b"x")
    (tmp_path / "AllVideoDescriptions.txt").write_text("a a cat runs\n")
    values = {
        "kind": "msvd",
        "videos": f"{tmp_path}/videos",
        "annotations": f"{tmp_path}/AllVideoDescriptions.txt",
    }
    config = ImportConfig.make({"source": values, "output": "unused"})
    with pytest.raises(ConfigError, match=r"not a pickle, .*; give MSVD's raw-captions\.pkl"):
        list(make_source(config.source, shard_samples=10).plan())
