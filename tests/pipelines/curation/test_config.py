"""The `filters` field: its forms, its mistakes, and what is written of it."""

from __future__ import annotations

import pytest

from pipelines.config import AnimateConfig
from schemas.errors import ConfigError
from transforms.curation.captions import CaptionWords
from transforms.curation.pictures import PictureBlur

SOURCE = {"kind": "folder", "uri": "pictures"}


def config(filters):
    return AnimateConfig.make({"source": SOURCE, "output": "clips", "filters": filters})


def test_a_rule_is_a_name_or_a_mapping_and_ones_own_is_a_path():
    made = config(["caption_words", {"name": "picture_blur", "min": 75}, "mine:filter"])
    assert made.filters == (CaptionWords(), PictureBlur(min=75), "mine:filter")
    assert config("picture_blur").filters == (PictureBlur(),)
    assert config({"name": "picture_blur"}).filters == (PictureBlur(),)


def test_what_is_written_makes_the_same_config_again():
    made = config(["picture_blur", "mine:filter"])
    assert made.to_dict()["filters"] == [{"name": "picture_blur", "min": 50.0}, "mine:filter"]
    assert AnimateConfig.make(made.to_dict()) == made


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (["picture_blr"], "filters: 'picture_blr' is no filter: .*; the nearest is picture_blur"),
        ([{"name": "picture_blur", "min": -1}], "filters: picture_blur: min = -1 is not allowed: .* >= 0"),
        ([{"name": "picture_blur", "mim": 1}], "filters: picture_blur: unknown field mim; .*nearest.* min"),
        ([{"min": 1}], "filters: {'min': 1} has no name"),
        (["picture_blur", {"name": "picture_blur", "min": 3}], "filters: picture_blur is there twice"),
        ([{"name": "a:b", "min": 3}], "filters: a:b takes no fields"),
        ([7], "filters: 7 is no filter"),
        (7, "filters: 7 is no list of filters"),
    ],
)
def test_a_mistake_is_one_line_with_the_way_out(filters, message):
    with pytest.raises(ConfigError, match=message):
        config(filters)
