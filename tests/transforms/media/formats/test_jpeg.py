import io
import struct

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from schemas.records import Reason, SampleError
from transforms.media.formats.jpeg import JpegError, read_header, without_metadata
from transforms.media.pictures import PictureLimits, decode
from transforms.media.stored import decode_stored, decode_stored_small


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


def flat_jpeg(factors: list[tuple[int, int]], luma: list[int], width: int, height: int) -> bytes:
    """A baseline JPEG of grey blocks of 8x8 whose components have these sampling factors.

    `luma` are the grey values from left to right, one per minimal coded unit.
    """

    def segment(marker: int, body: bytes) -> bytes:
        return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body

    sampling = b"".join(bytes([i + 1, h << 4 | v, 0]) for i, (h, v) in enumerate(factors))
    ones, bits, before = b"\1" * 64, "", 0
    unit = (8 * max(h for h, _ in factors), 8 * max(v for _, v in factors))
    for _ in range(0, height, unit[1]):
        for value in luma[: -(-width // unit[0])]:
            for i, (h, v) in enumerate(factors):
                for _ in range(h * v):
                    step = 0
                    if i == 0:
                        step, before = (value - 128) * 8 - before, (value - 128) * 8
                    size = abs(step).bit_length()
                    bits += f"{size:04b}"
                    if size:
                        bits += f"{step if step > 0 else step + 2**size - 1:0{size}b}"
                    bits += "0"  # the end of the block
    bits += "1" * (-len(bits) % 8)
    coded = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    return (
        b"\xff\xd8"
        + segment(0xDB, b"\0" + ones)
        + segment(0xC0, struct.pack(">BHHB", 8, height, width, 3) + sampling)
        + segment(0xC4, bytes([0, 0, 0, 0, 12, *[0] * 12, *range(12)]))
        + segment(0xC4, bytes([0x10, 1, *[0] * 16]))
        + segment(0xDA, b"\3\1\0\2\0\3\0\0\x3f\0")
        + coded
        + b"\xff\xd9"
    )


@pytest.mark.parametrize(
    "factors",
    [[(2, 2), (2, 1), (1, 1)], [(3, 1), (1, 1), (1, 1)], [(1, 1), (1, 2), (1, 2)], [(4, 1), (2, 1), (2, 1)]],
)
def test_any_chroma_subsampling_is_decoded(factors: list[tuple[int, int]]) -> None:
    """TurboJPEG names some of the legal ones only."""
    wide = 8 * max(h for h, _ in factors)
    luma = [40 + 23 * (i % 9) for i in range(24)]
    picture = flat_jpeg(factors, luma, 192, 96)
    want = np.repeat(luma, wide)[:192]
    for taken in (
        decode(picture, PictureLimits()).image_HWC,
        decode(picture, PictureLimits(), need=(20, 40)).image_HWC,
        decode_stored(picture),
        decode_stored_small(picture, (20, 40)),
    ):
        assert taken.shape == (96, 192, 3)
        assert np.abs(taken.astype(int) - want[None, :, None]).max() <= 1


def test_bytes_that_a_damaged_restart_interval_leaves_are_damage(photo: bytes) -> None:
    out = io.BytesIO()
    Image.open(io.BytesIO(photo)).save(out, "JPEG", quality=90, restart_marker_blocks=2)
    whole = out.getvalue()
    decode(whole, PictureLimits())
    at = whole.index(b"\xff\xd3")
    with pytest.raises(SampleError) as caught:
        decode(whole[:at] + bytes(9) + whole[at:], PictureLimits())
    assert caught.value.reason == Reason.CORRUPT
    end = len(whole) - 2
    decode(whole[:end] + bytes(9) + whole[end:], PictureLimits())


def test_a_height_after_the_scan_is_not_read(photo: bytes) -> None:
    at = photo.index(b"\xff\xc0") + 5
    with pytest.raises(SampleError, match="height that is stated after the picture") as caught:
        decode(photo[:at] + b"\0\0" + photo[at + 2 :], PictureLimits())
    assert caught.value.reason == Reason.UNSUPPORTED_FORMAT
