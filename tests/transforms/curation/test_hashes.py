"""Marks of captions and pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from transforms.curation.hashes import bytes_mark, caption_mark, perceptual_mark


def distance(a: np.ndarray, b: np.ndarray) -> int:
    marks = [np.frombuffer(perceptual_mark(grey), np.uint8) for grey in (a, b)]
    return int(np.bitwise_count(marks[0] ^ marks[1]).sum())


def grey(name: str) -> np.ndarray:
    return cv2.cvtColor(getattr(data, name)(), cv2.COLOR_RGB2GRAY)


def test_captions_that_differ_in_case_and_punctuation_have_one_mark():
    assert caption_mark("A dog, on a beach!") == caption_mark("a dog on  a BEACH")
    assert caption_mark("a dog") != caption_mark("a dog 2")
    assert caption_mark("...") != caption_mark("!!!")
    assert len(caption_mark("")) == len(bytes_mark(b"")) == 16


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket"])
def test_copies_are_near_and_other_pictures_are_far(name):
    picture = grey(name)
    smaller = cv2.resize(picture, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    compressed = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], 0)
    brighter = np.clip(picture * 1.1 + 5, 0, 255).astype(np.uint8)
    assert max(distance(picture, copy) for copy in (smaller, compressed, brighter)) <= 4
    others = [grey(other) for other in ("astronaut", "chelsea", "coffee", "rocket") if other != name]
    assert min(distance(picture, other) for other in (*others, picture[:, ::-1])) > 10


def test_blank_pictures_have_one_hash():
    blank = np.full((32, 32), 100, np.uint8)
    assert {perceptual_mark(np.full((90, 70), level, np.uint8)) for level in (17, 255)} == {
        perceptual_mark(blank)
    }
    assert distance(blank, np.zeros((90, 70), np.uint8)) == 1  # black has no mean either
