"""Rules on pictures: known values on made pictures, and their defaults on photographs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from transforms.curation.pictures import (
    PICTURE_RULES,
    PictureAspect,
    PictureBlack,
    PictureBlur,
    PictureContrast,
    PictureSide,
    PictureText,
    text_share,
)
from transforms.curation.rule import SIDE, Look, shrunk

CHESS = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)


def seen(image: np.ndarray) -> Look:
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    return Look("", image.shape[:2], shrunk(image, SIDE))


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket"])
def test_photographs_pass_every_rule_with_its_defaults(name):
    look = seen(getattr(data, name)())
    assert [rule().refusal(rule().score(look)) for rule in PICTURE_RULES] == [None] * len(PICTURE_RULES)


def test_side_and_aspect_are_those_of_the_header():
    look = Look(size=(400, 1000))
    assert PictureSide().score(look) == 400
    assert PictureAspect().score(look) == 2.5
    assert PictureSide(min=401).refusal(400) == "400, under min=401"


def test_blur_is_the_variance_of_the_laplacian_at_256_pixels():
    inner = CHESS[1:-1, 1:-1].astype(np.float32)
    expected = np.var(4 * (255 - inner) - 4 * inner)  # every neighbour has the other colour
    assert PictureBlur().score(seen(CHESS)) == pytest.approx(expected, rel=0.02)


def test_a_blurred_photograph_is_refused_at_any_size():
    sharp = data.astronaut()
    for size in (512, 900):
        blurred = cv2.GaussianBlur(cv2.resize(sharp, (size, size)), (0, 0), size / 100)
        assert PictureBlur().refusal(PictureBlur().score(seen(blurred))) is not None
        assert PictureBlur().refusal(PictureBlur().score(seen(cv2.resize(sharp, (size, size))))) is None


def test_black_and_blank_pictures_are_seen():
    image = np.zeros((100, 100), np.uint8)
    image[:25] = 200
    assert PictureBlack().score(seen(image)) == pytest.approx(0.75)
    assert PictureContrast().score(seen(np.full((90, 90), 240, np.uint8))) == 0.0
    assert PictureContrast().score(seen(CHESS)) == pytest.approx(127.5)


def test_a_slide_is_text_and_a_photograph_is_none():
    slide = np.full((600, 800), 255, np.uint8)
    for line in range(12):
        cv2.putText(
            slide, "The quick brown fox jumps", (30, 60 + 45 * line), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 0, 2
        )
    assert text_share(shrunk(slide, SIDE)) > 0.3
    assert PictureText().score(seen(data.page())) > 0.3
    assert PictureText().score(seen(data.coffee())) < 0.01


def test_one_pixel_is_a_picture():
    look = seen(np.zeros((1, 1), np.uint8))
    assert [rule().score(look) for rule in PICTURE_RULES] == [1, 1, 0, 1, 0, 0]
