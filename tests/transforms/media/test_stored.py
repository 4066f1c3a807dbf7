"""Pictures as shards store them."""

from __future__ import annotations

import contextlib
import io
import struct
import warnings

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image
from skimage import data

from transforms.media.stored import MAX_PIXELS, decode_stored, decode_stored_small, stored_size

PICTURE = cv2.resize(data.coffee(), (40, 20), interpolation=cv2.INTER_AREA)


def encoded(kind: str, **options) -> bytes:
    out = io.BytesIO()
    Image.fromarray(PICTURE).save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_lossless_pictures_come_back_bit_for_bit(kind: str, options: dict) -> None:
    np.testing.assert_array_equal(decode_stored(encoded(kind, **options)), PICTURE)


def test_a_jpeg_is_what_pillow_shows() -> None:
    picture = encoded("JPEG", quality=95)
    shown = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    np.testing.assert_array_equal(decode_stored(picture), shown)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_orientation_is_not_followed(kind: str) -> None:
    """Quads are fractions of the picture as it is stored."""
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees"
    picture = encoded(kind, exif=exif)
    assert stored_size(picture) == decode_stored(picture).shape[:2] == (20, 40)


def test_a_jpeg_with_a_harmless_warning_is_decoded() -> None:
    picture = encoded("JPEG", quality=95)
    at = picture.index(b"\xff\xdb")
    padded = picture[:at] + bytes(7) + picture[at:]  # "extraneous bytes before marker"
    with pytest.raises(ValueError, match="extraneous"):
        simplejpeg.decode_jpeg(padded)
    np.testing.assert_array_equal(decode_stored(padded), decode_stored(picture))


@pytest.mark.parametrize(
    "header",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 60_000, 60_000) + bytes(10),
        b"RIFF"
        + struct.pack("<I", 22)
        + b"WEBPVP8X"
        + struct.pack("<I", 10)
        + b"\0\0\0\0"
        + b"\x00\xff\x00" * 2,
    ],
)
def test_the_size_is_checked_before_anything_is_decoded(header: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=f"limit of {MAX_PIXELS}"):
            decode_stored(header, room=None)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM"])
def test_other_formats_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="not a JPEG, PNG or WebP picture"):
        decode_stored(encoded(kind))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_truncated_picture_is_a_value_error(kind: str) -> None:
    whole = encoded(kind)
    for kept in (0.2, 0.6, 0.9):
        with pytest.raises(ValueError, match=r"."):
            decode_stored(whole[: int(len(whole) * kept)])


def test_damage_is_never_printed(capfd) -> None:
    randomly = np.random.default_rng(0)
    for kind in ("JPEG", "PNG", "WEBP"):
        for _ in range(60):
            damaged = bytearray(encoded(kind))
            for at in randomly.integers(30, len(damaged), 3):
                damaged[at] = randomly.integers(256)
            with contextlib.suppress(ValueError):
                decode_stored(bytes(damaged))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("need", "shape"), [((10, 10), (13, 20)), ((20, 40), (26, 40)), ((80, 80), (104, 160))]
)
def test_a_small_copy_has_the_pixels_that_are_needed(need, shape) -> None:
    picture = cv2.resize(data.astronaut(), (160, 104), interpolation=cv2.INTER_AREA)
    encoded = simplejpeg.encode_jpeg(picture, quality=95, colorspace="RGB")
    small = decode_stored_small(encoded, need)
    assert small.shape == (*shape, 3)
    wanted = cv2.resize(picture, shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - wanted).mean() < 8
    with pytest.raises(ValueError):  # noqa: PT011 - any
        decode_stored_small(encoded[: len(encoded) // 2], need)
