"""How much of a subject a view holds, and paths that hold enough of it."""

import numpy as np
import pytest
from skimage import data

from transforms.subject.subject import Subject, find_subject

SHAPE = {"image_size": (400, 600), "frames": 12, "size": (224, 224)}
RIGHT = (400.0, 100.0, 150.0, 200.0)  # a box in a picture of 400x600


def view(left, top, right, bottom):
    return np.array([[[left, top], [right, top], [right, bottom], [left, bottom]]], np.float32)


def no_picture():
    raise AssertionError("boxes need no picture")


def test_the_share_of_a_view_is_that_of_the_box_in_it():
    subject = find_subject([(0.0, 0.0, 300.0, 400.0)], (400, 600), no_picture)
    assert subject.held(view(0, 0, 1, 1)).tolist() == [1.0]
    assert subject.held(view(0.5, 0, 1, 1)).tolist() == [0.0]
    assert subject.held(view(0.25, 0, 1, 0.5)).tolist() == [0.25]
    turned = np.array([[[0.5, 0], [1, 0.5], [0.5, 1], [0, 0.5]]], np.float32)  # a diamond
    assert subject.held(turned) == pytest.approx([0.5], abs=0.02)
    both = np.concatenate([view(0, 0, 1, 1), view(0.5, 0, 1, 1)])
    assert subject.held(both).tolist() == [1.0, 0.0]


def test_saliency_is_the_subject_of_a_picture_without_boxes():
    picture = data.astronaut()
    found = find_subject([], picture.shape[:2], lambda: picture)
    assert isinstance(found, Subject)
    outside = find_subject([(9000.0, 0.0, 10.0, 10.0)], picture.shape[:2], lambda: picture)
    assert np.array_equal(outside.weights_RC, found.weights_RC)
    assert find_subject([], (90, 90), lambda: np.zeros((90, 90, 3), np.uint8)) is None
