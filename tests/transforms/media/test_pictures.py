import contextlib
import io
import random
import struct
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile, features
from skimage import data

from schemas.records import Reason, SampleError, Stage
from transforms.media.pictures import PictureLimits, decode, read_header

LIMITS = PictureLimits()
EVERY_FORMAT = [
    ("JPEG", {"quality": 95, "subsampling": 0}),
    ("JPEG", {"quality": 95, "subsampling": 0, "progressive": True}),
    ("PNG", {}),
    ("WEBP", {"quality": 95}),
    ("WEBP", {"lossless": True}),
    ("GIF", {}),
    ("BMP", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "tiff_deflate"}),
    ("TIFF", {"compression": "jpeg"}),
    *([("AVIF", {"quality": 95})] if features.check("avif") else []),
]


def photo(height: int = 120, width: int = 160) -> Image.Image:
    return Image.fromarray(data.astronaut()).resize((width, height), Image.Resampling.BOX)


def save(image: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def refused(data: bytes, limits: PictureLimits = LIMITS) -> tuple[Reason, str]:
    with pytest.raises(SampleError) as caught:
        decode(data, limits)
    assert caught.value.stage == Stage.DECODE
    return caught.value.reason, caught.value.detail


def mean_error(a_HWC: np.ndarray, b_HWC: np.ndarray) -> float:
    return float(np.abs(a_HWC.astype(int) - b_HWC.astype(int)).mean())


@pytest.mark.parametrize(("format", "options"), EVERY_FORMAT)
def test_every_format_gives_the_picture(format: str, options: dict[str, Any]) -> None:
    original = photo()
    picture = decode(save(original, format, **options), LIMITS)
    assert picture.image_HWC.dtype == np.uint8
    assert picture.image_HWC.flags.c_contiguous
    assert picture.image_HWC.shape == (120, 160, 3)
    assert picture.original_size == (120, 160)
    assert picture.format == format.lower()
    assert mean_error(picture.image_HWC, np.asarray(original)) < (8 if format == "GIF" else 4)


@pytest.mark.parametrize(("format", "options"), EVERY_FORMAT)
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_picture_is_a_failure(format: str, options: dict[str, Any], kept: float) -> None:
    whole = save(photo(), format, **options)
    reason, detail = refused(whole[: int(len(whole) * kept)])
    assert reason in (Reason.TRUNCATED, Reason.CORRUPT)
    assert "0x" not in detail, "details are the same from run to run"


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_is_told_to_be_truncated_even_if_only_its_end_mark_is_missing(progressive: bool) -> None:
    whole = save(photo(), "JPEG", progressive=progressive)
    for cut in (whole[:-2], whole[: len(whole) // 2], whole[: len(whole) // 2] + bytes(len(whole) // 2)):
        assert refused(cut)[0] == Reason.TRUNCATED
    assert refused(whole[: len(whole) // 2] + b"\xff\xd9")[0] == Reason.CORRUPT


def test_harmless_warnings_of_libjpeg_are_no_failure() -> None:
    whole = save(photo(), "JPEG")
    padded = whole[:-2] + b"\x55" * 9 + whole[-2:]
    np.testing.assert_array_equal(decode(padded, LIMITS).image_HWC, decode(whole, LIMITS).image_HWC)
    np.testing.assert_array_equal(
        decode(whole + b"trailing", LIMITS).image_HWC, decode(whole, LIMITS).image_HWC
    )


def test_a_broken_colour_profile_is_no_failure_and_hides_none() -> None:
    whole = save(photo(), "JPEG")
    parts = (b"ICC_PROFILE\0" + bytes([number, 255]) + bytes(100) for number in range(1, 20))
    profile = b"".join(b"\xff\xe2" + (len(part) + 2).to_bytes(2, "big") + part for part in parts)
    with_profile = whole[:2] + profile + whole[2:]
    np.testing.assert_array_equal(decode(with_profile, LIMITS).image_HWC, decode(whole, LIMITS).image_HWC)
    assert refused(with_profile[: len(with_profile) // 2] + b"\xff\xd9")[0] == Reason.CORRUPT


def test_a_flipped_bit_in_a_png_is_found() -> None:
    whole = bytearray(save(photo(), "PNG"))
    whole[len(whole) // 2] ^= 4
    assert refused(bytes(whole))[0] in (Reason.CORRUPT, Reason.TRUNCATED)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(format: str, orientation: int) -> None:
    """The stored pixels are laid out as a camera that was held this way lays them out."""
    upright = photo(96, 140)
    turn = Image.Transpose
    laid = {2: turn.FLIP_LEFT_RIGHT, 3: turn.ROTATE_180, 4: turn.FLIP_TOP_BOTTOM, 5: turn.TRANSPOSE}
    laid |= {6: turn.ROTATE_90, 7: turn.TRANSVERSE, 8: turn.ROTATE_270}
    stored = upright.transpose(laid[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    if format == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no decoder of AVIF")
    options = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}, "AVIF": {"quality": 95}}
    options = options.get(format, {})
    encoded = save(stored, format, exif=exif, **options)
    assert read_header(encoded, LIMITS).size == (96, 140)
    picture = decode(encoded, LIMITS)
    assert picture.original_size == (96, 140)
    assert mean_error(picture.image_HWC, np.asarray(upright)) < (3 if format in ("JPEG", "AVIF") else 0.01)


def test_broken_exif_never_fails_the_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = save(photo(), "JPEG", exif=exif)
    start = whole.index(b"Exif\x00\x00")
    randomly = random.Random(0)
    for _ in range(300):
        broken = bytearray(whole)
        for _ in range(4):
            broken[start + 6 + randomly.randrange(24)] = randomly.randrange(256)
        assert sorted(decode(bytes(broken), LIMITS).original_size) == [120, 160]
    exif[0x0112] = 99
    assert read_header(save(photo(), "JPEG", exif=exif), LIMITS).orientation == 1


def test_grey_bilevel_and_palette() -> None:
    grey = photo().convert("L")
    for format in ("JPEG", "PNG"):
        image_HWC = decode(save(grey, format, quality=95), LIMITS).image_HWC
        assert mean_error(image_HWC, np.asarray(grey)[..., None]) < 2
    bilevel = decode(save(photo().convert("1"), "PNG"), LIMITS).image_HWC
    assert set(np.unique(bilevel)) == {0, 255}
    palette = photo().quantize(32)
    np.testing.assert_array_equal(
        decode(save(palette, "PNG"), LIMITS).image_HWC, np.asarray(palette.convert("RGB"))
    )


def test_sixteen_bits_keep_their_high_byte() -> None:
    values_HW = np.linspace(0, 65535, 80 * 90).astype(np.uint16).reshape(80, 90)
    for format in ("PNG", "TIFF"):
        image_HWC = decode(save(Image.fromarray(values_HW), format), LIMITS).image_HWC
        np.testing.assert_array_equal(image_HWC, np.repeat((values_HW >> 8)[..., None], 3, 2))
    rows = b"".join(b"\0" + np.repeat(row[:, None], 3, 1).astype(">u2").tobytes() for row in values_HW)
    np.testing.assert_array_equal(
        decode(_png(80, 90, 16, 2, rows), LIMITS).image_HWC, np.repeat((values_HW >> 8)[..., None], 3, 2)
    )


def test_float_pictures_are_not_supported() -> None:
    picture = save(Image.fromarray(np.zeros((80, 80), np.float32)), "TIFF")
    assert refused(picture) == (Reason.UNSUPPORTED_FORMAT, "tiff: float TIFF is not read")


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_alpha_goes_over_white(format: str) -> None:
    rgba_HWC = np.full((70, 80, 4), (200, 0, 100, 255), np.uint8)
    rgba_HWC[:, 40:, 3] = 0
    rgba_HWC[:20, :, 3] = 128
    image_HWC = decode(
        save(Image.fromarray(rgba_HWC), format, **({"lossless": True} if format == "WEBP" else {})), LIMITS
    ).image_HWC
    np.testing.assert_array_equal(image_HWC[50, 10], (200, 0, 100))
    np.testing.assert_array_equal(image_HWC[50, 60], (255, 255, 255))
    np.testing.assert_allclose(image_HWC[5, 10], (227, 127, 177), atol=1)


def test_a_transparent_palette_colour_is_white() -> None:
    for format in ("GIF", "PNG"):
        palette = photo().quantize(8)
        image_HWC = decode(save(palette, format, transparency=3), LIMITS).image_HWC
        assert (image_HWC[np.asarray(palette) == 3] == 255).all()


def test_cmyk_jpeg_is_the_picture() -> None:
    """Pillow writes CMYK the way Adobe does, inverted, with its marker."""
    original = photo()
    encoded = save(original.convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in encoded
    assert mean_error(decode(encoded, LIMITS).image_HWC, np.asarray(original)) < 4


def test_gif_gives_its_first_frame() -> None:
    first = Image.new("P", (80, 70), 0)
    first.putpalette([10, 20, 30, 200, 100, 50])
    second = Image.new("P", (80, 70), 1)
    second.putpalette([10, 20, 30, 200, 100, 50])
    out = io.BytesIO()
    first.save(out, "GIF", save_all=True, append_images=[second])
    assert (decode(out.getvalue(), LIMITS).image_HWC == (10, 20, 30)).all()


def test_limits_are_checked_with_the_header_alone() -> None:
    bomb = _png(60_000, 60_000, 8, 2, b"")  # 10 GB of pixels if anything believed it
    assert refused(bomb)[0] == Reason.TOO_MANY_PIXELS
    huge_webp = bytearray(save(photo(), "WEBP", exif=Image.Exif().tobytes()))
    assert huge_webp[12:16] == b"VP8X"
    huge_webp[24:30] = b"\xff\x3f\x00\xff\x3f\x00"
    assert refused(bytes(huge_webp))[0] == Reason.TOO_MANY_PIXELS
    huge_jpeg = bytearray(save(photo(), "JPEG"))
    at = huge_jpeg.index(b"\xff\xc0") + 5
    huge_jpeg[at : at + 4] = struct.pack(">HH", 65000, 65000)
    assert refused(bytes(huge_jpeg))[0] == Reason.TOO_MANY_PIXELS
    assert refused(save(Image.new("RGB", (1, 1)), "PNG"))[0] == Reason.TOO_SMALL
    assert refused(save(photo(100, 63), "JPEG"))[0] == Reason.TOO_SMALL
    assert refused(save(photo(64, 330), "JPEG"))[0] == Reason.BAD_ASPECT
    assert decode(save(photo(64, 320), "JPEG"), LIMITS).original_size == (64, 320)
    assert refused(save(photo(), "PNG"), PictureLimits(max_pixels=10_000))[0] == Reason.TOO_MANY_PIXELS


def test_a_jpeg_with_endless_scans_is_refused() -> None:
    whole = save(photo(), "JPEG", progressive=True)
    at = whole.rindex(b"\xff\xda")
    assert "scans" in refused(whole[:-2] + whole[at:-2] * 300 + whole[-2:])[1]


def test_a_jpeg_whose_scans_cost_minutes_is_refused() -> None:
    whole = bytearray(save(photo(), "JPEG", progressive=True))
    at = whole.index(b"\xff\xc2") + 5
    whole[at : at + 4] = struct.pack(">HH", 7000, 7000)
    scan = bytes(whole[whole.rindex(b"\xff\xda") : -2])
    assert "pixels to scan" in refused(bytes(whole) + scan * 30)[1]
    assert read_header(bytes(whole), LIMITS).size == (7000, 7000), (
        "10 scans of 49 megapixels are an ordinary picture"
    )
    whole[whole.index(b"\xff\xc2") + 1] = 0xCA  # arithmetic coding takes ten times as long
    assert "pixels to scan" in refused(bytes(whole) + scan)[1]


def test_each_picture_is_decoded_once(monkeypatch) -> None:
    pictures = [(format, save(photo(), format, **options)) for format, options in EVERY_FORMAT]
    loads = []
    load = ImageFile.ImageFile.load

    def count(self):
        if self.tile:
            loads.append(self.format)
        return load(self)

    monkeypatch.setattr(ImageFile.ImageFile, "load", count)
    for format, picture in pictures:
        read_header(picture, LIMITS)
        assert loads == [], "a header needs no pixels"
        decode(picture, LIMITS)
        assert loads in ([], [format])  # JPEG and compressed TIFF pass by Pillow's own loader
        loads.clear()


def test_damaged_files_say_nothing_on_the_terminal(capfd) -> None:
    randomly = random.Random(3)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        for format, options in EVERY_FORMAT:
            whole = save(photo(72, 80), format, **options)
            for _ in range(60):
                damaged = bytearray(whole)
                for _ in range(4):
                    damaged[randomly.randrange(len(damaged))] = randomly.randrange(256)
                with contextlib.suppress(SampleError):
                    decode(bytes(damaged), LIMITS)
    assert capfd.readouterr() == ("", "")


def test_bands_of_a_large_picture_are_those_of_the_whole(monkeypatch) -> None:
    rgba = photo(101, 130).convert("RGBA")
    rgba.putalpha(photo(101, 130).convert("L"))
    pictures = [save(rgba, "PNG"), save(photo(101, 130).quantize(16), "PNG", transparency=3)]
    whole = [decode(picture, LIMITS).image_HWC for picture in pictures]
    monkeypatch.setattr("transforms.media.pillow._BAND", 1000)
    for picture, image_HWC in zip(pictures, whole, strict=True):
        np.testing.assert_array_equal(decode(picture, LIMITS).image_HWC, image_HWC)


def test_twelve_bit_jpeg_is_not_supported() -> None:
    twelve = bytearray(save(photo(), "JPEG"))
    twelve[twelve.index(b"\xff\xc0") + 4] = 12
    assert refused(bytes(twelve))[0] == Reason.UNSUPPORTED_FORMAT


def test_large_jpegs_are_decoded_at_reduced_scale() -> None:
    encoded = save(photo(803, 1205), "JPEG", quality=92)
    full = decode(encoded, LIMITS)
    assert full.image_HWC.shape == (803, 1205, 3)
    half = decode(encoded, LIMITS, need=(300, 452))
    assert half.image_HWC.shape == (402, 603, 3)
    assert half.original_size == (803, 1205)
    assert half.extent == pytest.approx((401.5 / 402, 602.5 / 603))
    assert decode(encoded, LIMITS, need=(200, 301)).image_HWC.shape == (201, 302, 3)
    assert decode(encoded, LIMITS, need=(403, 1)).image_HWC.shape == (803, 1205, 3)
    assert decode(encoded, LIMITS, need=(1, 1)).image_HWC.shape == (101, 151, 3)
    assert decode(encoded, LIMITS, need=(1, 1), exact=True).image_HWC.shape == (803, 1205, 3)
    small = np.asarray(Image.fromarray(full.image_HWC).resize((603, 402), Image.Resampling.BOX))
    assert mean_error(half.image_HWC, small) < 5


def test_reduced_scale_and_orientation_together() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    encoded = save(photo(400, 600), "JPEG", exif=exif)
    picture = decode(encoded, LIMITS, need=(300, 200))
    assert picture.original_size == (600, 400)
    assert picture.image_HWC.shape == (300, 200, 3)
    assert decode(encoded, LIMITS, need=(301, 200)).image_HWC.shape == (600, 400, 3)


def test_nothing_but_a_sample_error_comes_out_of_damaged_files() -> None:
    originals = [save(photo(72, 80), format, **options) for format, options in EVERY_FORMAT]
    randomly = random.Random(7)
    taken = 0
    for _ in range(1500):
        damaged = bytearray(randomly.choice(originals))
        reach = min(len(damaged), 200) if randomly.random() < 0.5 else len(damaged)
        for _ in range(randomly.choice((1, 2, 8))):
            damaged[randomly.randrange(reach)] = randomly.randrange(256)
        with contextlib.suppress(SampleError):
            decode(bytes(damaged), LIMITS)
            taken += 1
    assert 0 < taken < 1500


def _png(height: int, width: int, depth: int, colour: int, rows: bytes) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
