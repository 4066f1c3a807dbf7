"""Marks of a sample under the filters listed before, and the verdict on a sample."""

from __future__ import annotations

import cv2
import pytest
from skimage import data

from pipelines.config import AnimateConfig
from pipelines.curation.config import check_whole
from pipelines.curation.filters import Filters
from pipelines.curation.verdicts import Verdict
from pipelines.curation.whole import ExactDuplicates, NearDuplicates, RepeatedCaptions, judge_whole, survey
from schemas.errors import ConfigError
from schemas.records import Reference
from transforms.curation.captions import CaptionWords
from transforms.curation.pictures import PictureBlur, PictureSide
from transforms.settings import ClipSettings

PICTURE = cv2.imencode(".png", data.coffee())[1].tobytes()


def marks(*rules, caption="a cup of coffee", picture=PICTURE):
    reference = Reference("k", (caption,), "test")
    return survey(Filters(rules, ClipSettings()), reference, lambda: picture)


def test_a_mark_per_rule_in_the_order_of_the_list():
    found = marks(RepeatedCaptions(), PictureSide(), ExactDuplicates(), NearDuplicates(), PictureBlur())
    assert [len(mark) for mark in found] == [16, 16, 8]


def test_what_an_earlier_filter_refuses_repeats_nothing():
    assert marks(RepeatedCaptions(), PictureSide(min=900), ExactDuplicates())[1] is None
    assert marks(CaptionWords(), ExactDuplicates(), caption="coffee") == (None,)
    assert marks(ExactDuplicates(), CaptionWords(), caption="coffee") != (None,)
    assert marks(RepeatedCaptions(), NearDuplicates(), picture=b"none")[1] is None


def test_a_picture_is_read_only_if_a_mark_needs_it():
    def read():
        raise AssertionError("was read")

    reference = Reference("k", ("a cup of coffee",), "test")
    assert survey(Filters((CaptionWords(), RepeatedCaptions())), reference, read) != (None,)


def test_the_first_is_kept_and_others_name_it():
    scores: dict[str, float] = {}
    groups = {"exact_duplicates": Verdict(3, "k1")}
    assert judge_whole((ExactDuplicates(),), "k1", groups, scores) is None
    assert scores == {"exact_duplicates": 3}
    error = judge_whole((ExactDuplicates(),), "k2", groups, scores)
    assert error.detail == "exact_duplicates: repeats k1, the first of 3"
    assert judge_whole((ExactDuplicates(),), "k9", {}, scores) is None
    assert scores == {"exact_duplicates": 1}


def test_a_caption_that_many_share_is_dropped_everywhere():
    groups = {"repeated_captions": Verdict(11, "k1")}
    error = judge_whole((RepeatedCaptions(),), "k1", groups, {})
    assert error.detail == "repeated_captions: 11 times in the input, over max=10; first k1"
    assert judge_whole((RepeatedCaptions(max=11),), "k1", groups, {}) is None


@pytest.mark.parametrize(
    ("filters", "is_refused"),
    [
        (["repeated_captions"], False),
        (["repeated_captions", "picture_side"], False),
        (["picture_side", "repeated_captions"], True),
        (["near_duplicates"], True),
        (["picture_side"], False),
    ],
)
def test_pictures_behind_urls_are_not_fetched_twice(filters, is_refused):
    source = {"kind": "folder", "uri": "pictures"}
    config = AnimateConfig.make({"source": source, "output": "a", "filters": filters})
    if not is_refused:
        check_whole(config.filters, is_remote=True)
        return
    with pytest.raises(ConfigError, match="would be fetched twice: write tars"):
        check_whole(config.filters, is_remote=True)
    check_whole(config.filters, is_remote=False)
