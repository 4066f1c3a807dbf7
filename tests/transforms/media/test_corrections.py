"""Pictures that Pillow alone decodes to other pixels than their formats define."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from schemas.records import Reason, SampleError
from tests.transforms.media.formats.files import LONG, SHORT, after_header, chunk, photo, save, tiff
from transforms.media.pictures import PictureLimits, decode

LIMITS = PictureLimits()
GREY = np.asarray(photo().convert("L"))
RGB = np.asarray(photo())


def pixels(data: bytes) -> np.ndarray:
    return decode(data, LIMITS).image_HWC


def of_grey(grey_HW: np.ndarray) -> np.ndarray:
    return np.repeat(grey_HW[..., None], 3, 2)


def png(samples: np.ndarray, bits: int, colour: int, transparent: bytes) -> bytes:
    """A PNG of unsigned samples of `bits` bits, with a chunk tRNS."""
    if bits == 16:
        rows = [row.astype(">u2").tobytes() for row in samples]
    else:
        ones = samples[..., None] >> np.arange(bits - 1, -1, -1) & 1
        rows = [row.tobytes() for row in np.packbits(ones.astype(np.uint8).reshape(len(samples), -1), 1)]
    size = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], bits, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size)
    return after_header(start + chunk(b"IDAT", body) + chunk(b"IEND", b""), chunk(b"tRNS", transparent))


def tagged(samples: np.ndarray, **options: object) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, samples, **options)
    return out.getvalue()


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_the_transparent_grey_of_a_png_has_the_bit_depth_of_the_file(bits: int) -> None:
    samples = GREY >> (8 - bits)
    for value in range(2**bits):
        want = samples * (255 // (2**bits - 1))
        want[samples == value] = 255
        np.testing.assert_array_equal(pixels(png(samples, bits, 0, struct.pack(">H", value))), of_grey(want))


def test_the_transparent_colour_of_a_png_of_16_bits_is_white() -> None:
    samples = GREY.astype(np.uint16) * 256 + 7
    want = np.where(samples == samples[0, 0], 255, GREY)
    transparent = struct.pack(">H", samples[0, 0])
    np.testing.assert_array_equal(pixels(png(samples, 16, 0, transparent)), of_grey(want))
    colour = (RGB // 64 * 64).astype(np.uint16)
    wanted = np.where((colour == colour[9, 9]).all(-1, keepdims=True), 255, colour)
    transparent = struct.pack(">HHH", *(int(value) * 256 + 7 for value in colour[9, 9]))
    np.testing.assert_array_equal(pixels(png(colour * 256 + 7, 16, 2, transparent)), wanted)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_white_may_be_zero_in_a_tiff_of_16_bits(compression: str | None) -> None:
    samples = 65535 - GREY.astype(np.uint16) * 257
    picture = tagged(samples, photometric="miniswhite", compression=compression)
    np.testing.assert_array_equal(pixels(picture), of_grey(GREY))


def test_samples_of_12_bits_are_scaled() -> None:
    twelve = GREY.astype(int).ravel() * 16 + 3
    pairs = twelve[::2] << 12 | twelve[1::2]
    body = b"".join(int(pair).to_bytes(3, "big") for pair in pairs)
    layout = [(256, SHORT, 1, 160), (257, SHORT, 1, 120), (258, SHORT, 1, 12), (259, SHORT, 1, 1)]
    layout += [(262, SHORT, 1, 1), (273, LONG, 1, 122), (277, SHORT, 1, 1), (278, SHORT, 1, 120)]
    picture = tiff([*layout, (279, LONG, 1, len(body))], body)
    assert picture.index(body) == 122
    np.testing.assert_array_equal(pixels(picture), of_grey(GREY))


def test_a_palette_of_8_bit_colours_in_a_tiff_is_not_black() -> None:
    indexed = photo().quantize(255)
    colours = np.zeros((3, 256), np.uint16)
    table = np.array(indexed.getpalette()).reshape(-1, 3).T
    colours[:, : table.shape[1]] = table
    want = np.asarray(indexed.convert("RGB"))
    for scale in (1, 257):
        picture = tagged(np.asarray(indexed), photometric="palette", colormap=colours * scale)
        np.testing.assert_array_equal(pixels(picture), want)


@pytest.mark.parametrize("options", [{}, {"tile": (64, 64)}, {"extratags": [(274, SHORT, 1, 6, True)]}])
def test_planes_of_16_bits_are_decoded_and_turned(options: dict) -> None:
    planes = (RGB.astype(np.uint16) * 257).transpose(2, 0, 1)
    picture = tagged(planes, photometric="rgb", planarconfig="separate", **options)
    want = RGB
    if "extratags" in options:
        want = RGB[::-1].swapaxes(0, 1)
    np.testing.assert_array_equal(pixels(picture), want)
    cut_off = picture[: len(picture) * 2 // 3]
    with pytest.raises(SampleError) as caught:
        pixels(cut_off)
    assert caught.value.reason == Reason.TRUNCATED


def test_planes_of_16_bits_with_alpha_are_not_read() -> None:
    planes = np.zeros((4, 120, 160), np.uint16)
    picture = tagged(planes, photometric="rgb", planarconfig="separate", extrasamples=["unassalpha"])
    with pytest.raises(SampleError) as caught:
        pixels(picture)
    assert caught.value.reason == Reason.UNSUPPORTED_FORMAT


def test_uncompressed_ycbcr_in_a_tiff_is_decoded() -> None:
    picture = save(photo().convert("YCbCr"), "TIFF")
    assert np.abs(pixels(picture).astype(int) - RGB).mean() < 2


def bitmap(bgra: np.ndarray) -> bytes:
    """A BMP of version 5 with an alpha mask."""
    body = bgra[::-1].tobytes()
    height, width = bgra.shape[:2]
    head = struct.pack("<IiiHHIIiiII", 124, width, height, 1, 32, 3, len(body), 0, 0, 0, 0)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    return b"BM" + struct.pack("<IHHI", 138 + len(body), 0, 0, 138) + (head + masks).ljust(124, b"\0") + body


def test_a_bmp_whose_alpha_is_empty_is_opaque() -> None:
    alpha = np.zeros((120, 160, 1), np.uint8)
    np.testing.assert_array_equal(pixels(bitmap(np.dstack([RGB[..., ::-1], alpha]))), RGB)
    alpha[:60] = 255
    half = pixels(bitmap(np.dstack([RGB[..., ::-1], alpha])))
    np.testing.assert_array_equal(half[:60], RGB[:60])
    assert (half[60:] == 255).all()


def test_ordinary_pictures_are_left_alone() -> None:
    for mode, kind in (("RGB", "PNG"), ("P", "TIFF"), ("RGB", "BMP"), ("L", "TIFF")):
        image = photo().convert(mode)
        np.testing.assert_array_equal(pixels(save(image, kind)), np.asarray(image.convert("RGB")))
    grey = Image.fromarray(GREY.astype(np.uint16) * 257)
    np.testing.assert_array_equal(pixels(save(grey, "PNG")), of_grey(GREY))
