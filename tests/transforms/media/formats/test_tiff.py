"""The first directory of TIFF files."""

import struct
import time

import numpy as np
import pytest
from PIL import Image

from schemas.records import Reason, SampleError
from tests.transforms.media.formats.files import LONG, SHORT, UNDEFINED, photo, save, tiff
from transforms.media.formats.tiff import check_tiff
from transforms.media.pictures import PictureLimits, decode

LIMITS = PictureLimits()
SIZE = [(256, SHORT, 1, 80), (257, SHORT, 1, 70), (258, SHORT, 1, 8), (259, SHORT, 1, 1), (262, SHORT, 1, 1)]


def failure(data: bytes) -> tuple[Reason, str]:
    began = time.process_time()
    with pytest.raises(SampleError) as caught:
        decode(data, LIMITS)
    assert time.process_time() - began < 1
    return caught.value.reason, caught.value.detail


@pytest.mark.parametrize(
    "options", [{}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"compression": "packbits"}]
)
@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "CMYK", "RGBA"])
def test_ordinary_files_pass(mode: str, options: dict) -> None:
    if options.get("compression") == "jpeg" and mode in ("1", "P", "RGBA", "CMYK"):
        options = {}
    check_tiff(save(photo().convert(mode), "TIFF", **options), LIMITS.max_pixels)


def test_a_note_that_comes_twice_changes_no_pixel() -> None:
    rows = np.arange(70 * 80, dtype=np.uint8)
    layout = [*SIZE, (273, LONG, 1, 500), (277, SHORT, 1, 1), (278, SHORT, 1, 70), (279, LONG, 1, 5600)]
    notes = [(305, 2, 4, 65), (305, 2, 4, 66)]
    start = 8 + 2 + 12 * (len(layout) + len(notes)) + 4
    picture = tiff([*layout, *notes], bytes(500 - start) + rows.tobytes())
    np.testing.assert_array_equal(decode(picture, LIMITS).image_HWC[..., 0], rows.reshape(70, 80))


def test_float_samples_have_an_honest_reason() -> None:
    picture = save(Image.fromarray(np.zeros((80, 80), np.float32)), "TIFF")
    assert failure(picture) == (Reason.UNSUPPORTED_FORMAT, "tiff: float TIFF is not read")
    colour = tiff(
        [*SIZE[:2], (258, SHORT, 3, 122), *SIZE[3:], (339, SHORT, 1, 3)],
        struct.pack("<HHH", 32, 32, 32) + bytes(99),
    )
    assert failure(colour) == (Reason.UNSUPPORTED_FORMAT, "tiff: float TIFF is not read")
    wide = tiff([*SIZE[:2], (258, SHORT, 1, 32), *SIZE[3:]])
    assert failure(wide) == (Reason.UNSUPPORTED_FORMAT, "tiff: 32 bits a sample are not read")


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (tiff([*SIZE, (324, LONG, 1, 8), (324, LONG, 1, 8)]), "tag 324 comes 2 times"),
        (
            tiff([(tag, UNDEFINED, 1 << 20, 0) for tag in range(700, 760)], bytes(1 << 20)),
            "more bytes than the file",
        ),
        (tiff([*SIZE, (273, LONG, 400_000, 200)], bytes(1_700_000)), "400000 strips or tiles"),
        (tiff([*SIZE, (322, LONG, 1, 60_000), (323, LONG, 1, 60_000)]), "tiles of 60000x60000"),
        (tiff([(tag, SHORT, 1, 0) for tag in range(2000)] * 2), "tag 256 comes 2 times"),
    ],
)
def test_a_directory_that_costs_without_end_is_refused(data: bytes, detail: str) -> None:
    assert detail in failure(data)[1]


@pytest.mark.parametrize("data", [b"II*\0", b"MM\0*" + bytes(4), b"II*\0\xff\xff\xff\xff", tiff(SIZE)[:40]])
def test_a_directory_that_is_cut_off_is_a_failure(data: bytes) -> None:
    assert failure(data)[0] in (Reason.TRUNCATED, Reason.CORRUPT)


@pytest.mark.parametrize(
    "raw",
    [
        tiff([(254, LONG, 1, 1), *SIZE, (330, LONG, 1, 500)]),  # NEF: a thumbnail, the picture inside
        tiff([*SIZE, (50706, 1, 4, 0x0401)]),  # DNG
        b"II*\0\x10\0\0\0CR\2\0" + bytes(4) + tiff(SIZE)[8:],  # CR2
    ],
)
def test_a_raw_file_of_a_camera_is_named_and_its_thumbnail_is_not_taken(raw: bytes) -> None:
    reason, detail = failure(raw)
    assert reason == Reason.UNSUPPORTED_FORMAT
    assert "camera's raw file" in detail


@pytest.mark.parametrize("bits", [10, 14, 24])
def test_other_depths_are_not_called_corrupt(bits: int) -> None:
    odd = tiff([*SIZE[:2], (258, SHORT, 1, bits), *SIZE[3:]])
    assert failure(odd) == (Reason.UNSUPPORTED_FORMAT, f"tiff: {bits} bits a sample are not read")


def test_a_kind_of_samples_that_is_not_read_is_not_called_corrupt() -> None:
    grey_and_alpha = tiff([*SIZE[:2], (258, SHORT, 2, 0x100010), *SIZE[3:], (277, SHORT, 1, 2)])
    assert failure(grey_and_alpha)[0] == Reason.UNSUPPORTED_FORMAT
