"""OpenCV as a decoder."""

import numpy as np

from tests.transforms.media.formats.files import exif_block, photo, save
from transforms.media.opencv import decode_by_opencv


def test_pixels_are_rgb_as_stored() -> None:
    np.testing.assert_array_equal(decode_by_opencv(save(photo(), "PNG")), np.asarray(photo()))
    turned = save(photo(), "PNG", exif=exif_block(6))
    np.testing.assert_array_equal(decode_by_opencv(turned), np.asarray(photo()))


def test_broken_files_are_none_and_silent(capfd) -> None:
    whole = save(photo(), "PNG")
    for data in (whole[:200], b"nothing", whole[:60] + bytes(100)):
        assert decode_by_opencv(data) is None
    assert capfd.readouterr() == ("", "")
