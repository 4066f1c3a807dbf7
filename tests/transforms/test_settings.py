import pickle
from typing import Any

import pytest

from schemas.errors import ConfigError
from transforms.settings import ClipSettings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"store": "mp4", "clip": {"size": [225, 224]}},
            r"clip.size = \[225, 224\]: .* even for mp4; use \[226, 224\]",
        ),
        (
            {"clip": {"size": "224x224"}},
            r"clip.size: '224x224' is not allowed: write 224, or \[height, width\]",
        ),
        ({"clip": {"size": [1, 2, 3]}}, r"clip.size: \[1, 2, 3\] is not allowed: write 224, or \[height"),
        ({"clip": {"size": 4}}, "clip.size: 4 is not allowed: height and width must be 16 to 4096"),
        ({"clip": {"frames": 1000}}, "clip.frames = 1000 .* >= 1 and <= 999"),
        ({"clip": {"fps": 0}}, "clip.fps = 0 .* > 0 and <= 240"),
        ({"store": "gif"}, "store = 'gif' .* one of frames, mp4, still"),
        (
            {"captions": {"pik": "first"}},
            "unknown field captions.pik; the nearest known field is captions.pick",
        ),
    ],
)
def test_config_errors_are_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        ClipSettings.make(values)
    assert "\n" not in str(caught.value)


def test_settings_survive_yaml_and_pickling() -> None:
    chosen = ClipSettings.make({"store": "mp4", "seed": 9})
    assert ClipSettings.make(chosen.to_dict()) == chosen
    assert pickle.loads(pickle.dumps(chosen)) == chosen
    assert ClipSettings.make({"clip": {"size": 100}}).clip.hw == (100, 100)
    assert ClipSettings.make({"clip": {"size": [60, 80]}}).clip.hw == (60, 80)
