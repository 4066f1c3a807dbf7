"""The sets of a mix: their own settings over those of `data`, and mistakes in one line."""

import pytest

from schemas.errors import ConfigError
from trainer.data.config import DataConfig
from trainer.data.mixing.config import MixEntry

PICTURES = {"shards": "pictures/", "weight": 3, "motion_phrases": 0.5, "motions": ["zoom_in"]}
VIDEOS = {"shards": ["a.tar", "b.tar"], "camera": "stored", "captions": "first"}


def test_a_set_has_its_own_settings_over_those_of_data():
    config = DataConfig.make({"mix": [PICTURES, VIDEOS], "workers": 2, "equal_captions": True})
    pictures, videos = config.sets()
    assert config.weights == [3.0, 1.0]
    assert (pictures.shards, pictures.camera, pictures.motion_phrases) == ("pictures/", "fresh", 0.5)
    assert pictures.motions.to_dict() == [{"name": "zoom_in", "weight": 1.0}]
    assert (videos.shards, videos.camera, videos.motion_phrases) == (["a.tar", "b.tar"], "stored", 0.0)
    assert (pictures.captions, videos.captions) == ("turn", "first")
    assert all(
        (each.workers, each.equal_captions, each.mix) == (2, True, None) for each in (pictures, videos)
    )
    assert DataConfig.make(config.to_dict()) == config
    alone = DataConfig(shards="x")
    assert (alone.sets(), alone.weights) == ([alone], [1.0])


def test_every_field_of_a_set_is_one_of_data():
    assert set(MixEntry.model_fields) - {"weight"} <= set(DataConfig.model_fields)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"shards": "x", "mix": [PICTURES]}, "shards has no effect with mix"),
        ({"mix": [{"weight": 1}]}, "mix.0.shards is required"),
        ({"mix": [{**VIDEOS, "weight": 0}]}, "mix.0.weight: 0 is out of range: it must be a number above 0"),
        ({"mix": [{**VIDEOS, "weigth": 2}]}, "unknown field mix.0.weigth; the nearest known field is weight"),
        (
            {"mix": [PICTURES, {**VIDEOS, "motion_phrases": 1}]},
            "mix.1: motion_phrases = 1.0 has no effect with camera",
        ),
        (
            {"mix": [{**VIDEOS, "camera": "free"}]},
            "mix.0.camera = 'free' is not allowed: it must be one of fresh, stored",
        ),
        ({"mix": []}, "mix"),
    ],
)
def test_mistakes_are_one_line_that_names_the_set(values, words):
    with pytest.raises(ConfigError) as error:
        DataConfig.make(values)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
