import io

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from transforms.media.formats.jpeg import JpegError, read_header, without_metadata


@pytest.fixture
def photo(rng_picture: np.ndarray) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "where I live"
    out = io.BytesIO()
    picture = Image.fromarray(rng_picture)
    picture.save(
        out, "JPEG", quality=90, exif=exif, comment=b"a comment", icc_profile=b"not a profile" * 9000
    )
    return out.getvalue()


@pytest.fixture
def rng_picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)


def test_header_says_what_the_file_is(photo: bytes, rng_picture: np.ndarray) -> None:
    header = read_header(photo)
    assert (header.height, header.width, header.precision, header.components) == (70, 90, 8, 3)
    assert header.frame == 0xC0
    assert not header.several_scans
    assert header.exif.startswith(b"Exif\x00\x00")


@pytest.mark.parametrize(("options", "frame"), [({"progressive": True}, 0xC2), ({}, 0xC0)])
def test_progressive_is_told_apart(rng_picture: np.ndarray, options: dict, frame: int) -> None:
    out = io.BytesIO()
    Image.fromarray(rng_picture).save(out, "JPEG", **options)
    header = read_header(out.getvalue())
    assert header.frame == frame
    assert header.several_scans == bool(options)
    assert header.exif == b""


def test_fill_bytes_and_garbage_between_segments_are_skipped_as_libjpeg_does(photo: bytes) -> None:
    padded = photo[:2] + b"\xff\xff\xff" + photo[2:]
    assert read_header(padded) == read_header(photo)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe1",
        b"\xff\xd8\xff\xe1\x00\x01ab",
        b"\xff\xd8\xff\xd9\x00\x00",
    ],
)
def test_no_header_is_an_error(data: bytes) -> None:
    with pytest.raises(JpegError):
        read_header(data)


def test_metadata_goes_and_pixels_stay(photo: bytes) -> None:
    bare = without_metadata(photo)
    assert bare is not None
    assert len(bare) < len(photo) - 100_000
    assert b"where I live" not in bare
    assert b"a comment" not in bare
    np.testing.assert_array_equal(simplejpeg.decode_jpeg(bare), simplejpeg.decode_jpeg(photo))
    assert without_metadata(bare) == bare


@pytest.mark.parametrize("tail", [b"a video", b"\xff\xd8\xff\xe0a second picture\xff\xd9"])
def test_files_with_more_behind_the_picture_are_left_alone(photo: bytes, tail: bytes) -> None:
    assert without_metadata(photo + tail) is None
