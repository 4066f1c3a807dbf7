"""Run-length-coded BMP files."""

import time

import numpy as np
import pytest

from schemas.records import Reason, SampleError
from tests.transforms.media.formats.files import grey, photo, run_length_bmp, save
from transforms.media.formats.bmp import is_run_length
from transforms.media.pictures import PictureLimits, decode

LIMITS = PictureLimits()


def test_only_run_length_coding_is_found() -> None:
    assert is_run_length(run_length_bmp(grey()))
    assert not is_run_length(save(photo(), "BMP"))
    assert not is_run_length(b"BM" + bytes(40))


def test_the_pixels_come_back() -> None:
    picture = grey()
    np.testing.assert_array_equal(
        decode(run_length_bmp(picture), LIMITS).image_HWC, np.repeat(picture[..., None], 3, 2)
    )
    four = b"".join(b"\x50\x3c\0\0" for _ in range(70)) + b"\0\1"  # 80 pixels: 3, 12, 3, 12, ...
    image_HWC = decode(run_length_bmp(np.zeros((70, 80), np.uint8), four, bits=4), LIMITS).image_HWC
    np.testing.assert_array_equal(image_HWC[:, :, 0], np.tile(np.uint8([51, 204]), (70, 40)))


def test_a_picture_that_ends_early_is_a_failure_that_says_nothing_on_the_terminal(capfd) -> None:
    whole = run_length_bmp(grey())
    for kept in (0.5, 0.9, 0.99):
        with pytest.raises(SampleError) as caught:
            decode(whole[: int(len(whole) * kept)], LIMITS)
        assert caught.value.reason == Reason.TRUNCATED
    assert capfd.readouterr() == ("", "")


def test_millions_of_short_runs_take_no_time() -> None:
    body = (b"\1\7" * 4000 + b"\0\0") * 1000 + b"\0\1"
    began = time.process_time()
    assert (decode(run_length_bmp(np.zeros((1000, 4000), np.uint8), body), LIMITS).image_HWC == 7).all()
    assert time.process_time() - began < 2
