"""The chunks of WebP files."""

import pytest
from PIL import Image

from schemas.records import SampleError
from tests.transforms.media.formats.files import photo, save
from transforms.media.formats.webp import webp_orientation, webp_size


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"II*\0", "quality": 50}])
def test_the_size_of_every_kind_of_file(options: dict) -> None:
    assert webp_size(save(photo(70, 91), "WEBP", **options)) == (70, 91)


def test_orientation_from_exif_and_from_xmp() -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    xmp = b'<x tiff:Orientation="3"/>'
    assert webp_orientation(save(photo(), "WEBP", exif=exif)) == 8
    assert webp_orientation(save(photo(), "WEBP", xmp=xmp)) == 3
    assert webp_orientation(save(photo(), "WEBP", exif=exif, xmp=xmp)) == 8
    assert webp_orientation(save(photo(), "WEBP")) == 1


def test_a_file_that_is_cut_off_or_of_another_kind_is_a_failure() -> None:
    whole = save(photo(), "WEBP")
    for broken in (whole[:20], whole[:-1], whole[:12] + b"ABCD" + whole[16:]):
        with pytest.raises(SampleError, match="webp: "):
            webp_size(broken)
