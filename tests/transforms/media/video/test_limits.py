"""The limits on one video."""

import pytest

from schemas.errors import ConfigError
from transforms.media.video.limits import VideoLimits


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"broken": "skip"}, "broken = 'skip' .* one of fail, use"),
        ({"max_bytes": 0}, "max_bytes = 0 .* >= 1"),
        ({"max_seconds": 100_000}, "max_seconds = 100000 .* <= 86400"),
        ({"decode_seconds": 0}, "decode_seconds = 0 .* > 0"),
    ],
)
def test_mistakes_name_value_and_range(values: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        VideoLimits.make(values)
