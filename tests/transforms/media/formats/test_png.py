"""The chunks of PNG files."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from schemas.records import Reason, SampleError
from tests.transforms.media.formats.files import after_header, chunk, exif_block, photo, save
from transforms.media.formats.png import read_png
from transforms.media.pictures import PictureLimits, decode, read_header

LIMITS = PictureLimits()
PLAIN = save(photo(), "PNG")
XMP = b'<x:xmpmeta tiff:Orientation="6"/>'


@pytest.mark.parametrize("name", b"tEXt zTXt iTXt gAMA iCCP pHYs eXIf tIME prVt bKGD sRGB".split())
@pytest.mark.parametrize("intact", [False, True])
def test_a_damaged_ancillary_chunk_changes_no_pixel(name: bytes, intact: bool) -> None:
    """libpng and browsers ignore it, whether its checksum or its content is wrong."""
    for body in (b"a\0b", b"", bytes(300)):
        damaged = chunk(name, body, intact=intact)
        for picture in (after_header(PLAIN, damaged), PLAIN[:-12] + damaged + PLAIN[-12:]):
            np.testing.assert_array_equal(decode(picture, LIMITS).image_HWC, np.asarray(photo()))
            assert read_header(picture, LIMITS).orientation == 1


def test_transparency_with_a_wrong_checksum_is_ignored() -> None:
    palette = photo().quantize(16)
    whole = save(palette, "PNG", transparency=3)
    at = whole.index(b"tRNS") - 4
    end = at + 12 + int.from_bytes(whole[at : at + 4], "big")
    damaged = whole[: end - 1] + bytes([whole[end - 1] ^ 1]) + whole[end:]
    np.testing.assert_array_equal(decode(damaged, LIMITS).image_HWC, np.asarray(palette.convert("RGB")))
    assert (decode(whole, LIMITS).image_HWC[np.asarray(palette) == 3] == 255).all()


@pytest.mark.parametrize(
    "turned",
    [
        chunk(b"eXIf", exif_block(6)),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP)),
        chunk(
            b"zTXt",
            b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n 30\n" + exif_block(6).hex().encode()),
        ),
    ],
)
def test_an_orientation_is_read_wherever_it_is(turned: bytes) -> None:
    for picture in (after_header(PLAIN, turned), PLAIN[:-12] + turned + PLAIN[-12:]):
        assert read_png(picture).orientation == 6
        assert read_header(picture, LIMITS).size == (160, 120)
        with Image.open(io.BytesIO(picture)) as image:
            assert image.getexif()[0x0112] == 6
    assert read_png(after_header(PLAIN, chunk(b"eXIf", exif_block(1)) + turned)).orientation in (1, 6)


def test_an_explicit_exif_orientation_comes_before_xmp() -> None:
    both = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP) + chunk(b"eXIf", exif_block(1))
    assert read_png(after_header(PLAIN, both)).orientation == 1


def test_a_large_text_is_no_reason_to_refuse_the_picture() -> None:
    """Pillow refuses texts of more than a megabyte."""
    bomb = chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(100_000_000)))
    began = time.process_time()
    np.testing.assert_array_equal(decode(after_header(PLAIN, bomb), LIMITS).image_HWC, np.asarray(photo()))
    assert time.process_time() - began < 2


def test_an_animated_png_is_its_default_picture() -> None:
    frames = [photo(), photo().rotate(180)]
    picture = save(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert b"acTL" in picture
    np.testing.assert_array_equal(decode(picture, LIMITS).image_HWC, np.asarray(frames[0]))


def test_the_size_is_known_before_a_pixel_is_decoded() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = PLAIN[:8] + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10_000_000)))
    began = time.process_time()
    with pytest.raises(SampleError) as caught:
        decode(bomb, LIMITS)
    assert caught.value.reason == Reason.TOO_MANY_PIXELS
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (PLAIN[:20], Reason.TRUNCATED),
        (PLAIN[:8] + chunk(b"IDAT", bytes(99)), Reason.CORRUPT),
        (PLAIN[:100], Reason.TRUNCATED),
    ],
)
def test_a_file_without_its_pixels_is_a_failure(data: bytes, reason: Reason) -> None:
    with pytest.raises(SampleError) as caught:
        decode(data, LIMITS)
    assert caught.value.reason in (reason, Reason.CORRUPT)


def test_chunks_without_end_are_refused() -> None:
    began = time.process_time()
    with pytest.raises(SampleError, match="more than 500000 chunks"):
        read_png(after_header(PLAIN, chunk(b"prVt", b"") * 600_000))
    assert time.process_time() - began < 5
