"""The blocks of GIF files."""

import time

import numpy as np
import pytest

from schemas.records import Reason, SampleError
from tests.transforms.media.formats.files import gif, gif_extension, photo, save
from transforms.media.formats.gif import without_extensions
from transforms.media.pictures import PictureLimits, decode

LIMITS = PictureLimits()


def test_comments_and_application_data_change_no_pixel() -> None:
    plain = decode(gif(), LIMITS).image_HWC
    for label in (0xFE, 0xFF, 0x01):
        noted = gif(gif_extension(label, [b"NETSCAPE2.0", b"\1\0\0"]) * 3)
        np.testing.assert_array_equal(decode(noted, LIMITS).image_HWC, plain)
        assert len(without_extensions(noted)) == len(gif())


def test_the_transparent_colour_stays() -> None:
    palette = photo(80, 80).quantize(16)
    whole = save(palette, "GIF", transparency=3)
    start = 13 + 3 * 2 ** ((whole[10] & 7) + 1)
    noted = whole[:start] + gif_extension(0xFE, [b"a note"]) + whole[start:]
    np.testing.assert_array_equal(decode(noted, LIMITS).image_HWC, decode(whole, LIMITS).image_HWC)
    assert (decode(whole, LIMITS).image_HWC[np.asarray(palette) == 3] == 255).all()


def test_a_comment_of_megabytes_costs_no_time() -> None:
    """Pillow joins its blocks one by one: 4 MB take it minutes."""
    noted = gif(gif_extension(0xFE, [bytes(255)] * 20_000) + gif_extension(0xFE, [b"x"] * 50_000))
    began = time.process_time()
    assert decode(noted, LIMITS).image_HWC.shape == (80, 80, 3)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GIF89a", Reason.TRUNCATED),
        (gif()[:60], Reason.TRUNCATED),
        (gif(gif_extension(0xFE, [bytes(200)]) * 2)[:300], Reason.TRUNCATED),
        (gif(b";"), Reason.CORRUPT),
        (gif(gif_extension(0xFE, []) * 100_001), Reason.CORRUPT),
        (gif(bytes(100_001)), Reason.CORRUPT),
    ],
)
def test_a_file_without_a_picture_is_a_failure(data: bytes, reason: Reason) -> None:
    with pytest.raises(SampleError) as caught:
        decode(data, LIMITS)
    assert caught.value.reason == reason
