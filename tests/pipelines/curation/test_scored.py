"""Every filter is called on a sample, whatever the others say of it."""

from __future__ import annotations

import cv2
import pytest
from skimage import data

from pipelines.curation.filters import Filters, load_filters
from pipelines.curation.scored import SIDE, score_sample
from pipelines.curation.whole import ExactDuplicates
from schemas.errors import JobError
from schemas.records import Reference, SampleError
from transforms.curation.captions import CaptionJunk, CaptionWords
from transforms.curation.pictures import PictureBlur, PictureSide
from transforms.media.pictures import PictureLimits, decode
from transforms.settings import ClipSettings

PICTURE = cv2.imencode(".jpg", data.coffee()[..., ::-1])[1].tobytes()
CUP = Reference("k", ("cup",), "test")


def score(*entries, reference=CUP, picture=PICTURE):
    return score_sample(load_filters(entries, ClipSettings()), reference, lambda: picture)


def drops_all(reference, picture):
    return f"{picture.image_HWC.shape[1]} wide"


def keeps_all(reference):
    return None


def nonsense(reference):
    return 3


def test_all_filters_have_a_score_and_those_that_refuse_say_why():
    found = score(CaptionWords(), CaptionJunk(), PictureSide(min=900), PictureBlur())
    assert set(found.scores) == {"caption_words", "caption_junk", "picture_side", "picture_blur"}
    assert found.refusals == {"caption_words": "1, under min=3", "picture_side": "400, under min=900"}
    assert found.failure is None


def test_the_thumbnail_is_a_small_picture():
    small = decode(score(PictureSide()).thumbnail, PictureLimits()).image_HWC
    assert min(small.shape[:2]) == SIDE
    assert small.shape[1] > small.shape[0]


def test_captions_alone_need_no_picture():
    def read():
        raise AssertionError("was read")

    found = score_sample(Filters((CaptionWords(),)), CUP, read)
    assert (found.scores, found.thumbnail) == ({"caption_words": 1}, b"")


def test_a_picture_that_is_none_leaves_the_scores_of_the_caption():
    found = score(CaptionWords(min=1), PictureBlur(), ExactDuplicates(), picture=b"none")
    assert found.scores == {"caption_words": 1}
    assert (found.failure.reason, found.marks) == ("not_an_image", (None,))


def test_a_filter_of_ones_own_has_words_and_no_score():
    found = score(f"{__name__}:drops_all", f"{__name__}:keeps_all", PictureSide())
    assert found.refusals == {f"{__name__}:drops_all": "600 wide"}
    assert set(found.scores) == {"picture_side"}
    with pytest.raises(JobError, match="returned 3"):
        score(f"{__name__}:nonsense")


def test_a_sample_without_a_caption_is_an_error():
    with pytest.raises(SampleError):
        score(CaptionWords(), reference=Reference("k", ("  ",), "test"))
