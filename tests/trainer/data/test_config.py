"""The data section of a training config."""

from __future__ import annotations

import pytest

from schemas.errors import ConfigError
from trainer.data.config import DataConfig


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "shards is required"),
        ({"shards": "x", "workers": -1}, "workers = -1 .* >= 0"),
        ({"shards": "x", "camera": "new"}, "camera = 'new' .* one of fresh, stored"),
        ({"shards": "x", "shuffel_samples": 3}, "unknown field shuffel_samples.* shuffle_samples"),
        ({"shards": "x", "camera": "stored", "motion_phrases": 0.5}, "no effect with camera=stored"),
        ({"shards": "x", "paths_per_picture": 2}, "no effect without motion_phrases"),
    ],
)
def test_mistakes_are_one_line(values: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        DataConfig.make(values)
    assert "\n" not in str(caught.value)


def test_lists_of_shards_and_defaults() -> None:
    config = DataConfig.make({"shards": ["a", "b"]})
    assert config.shards == ["a", "b"]
    assert (config.camera, config.frame_jitter, config.broken_shards) == ("fresh", None, "skip")
