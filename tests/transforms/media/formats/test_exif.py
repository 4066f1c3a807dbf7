"""Orientations in EXIF blocks and XMP packets."""

import struct
import time

import pytest
from PIL import Image

from tests.transforms.media.formats.files import LONG, UNDEFINED, exif_block
from transforms.media.formats.exif import exif_orientation, xmp_orientation


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", range(1, 9))
def test_every_orientation_is_read(order: str, value: int) -> None:
    assert exif_orientation(exif_block(value, order)) == value
    assert exif_orientation(b"Exif\0\0" + exif_block(value, order)) == value


def test_a_block_of_pillow_is_read() -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x0112], exif[0x013B] = "a description that is longer than four bytes", 3, "me"
    assert exif_orientation(exif.tobytes()) == 3


def test_other_bytes_hold_no_orientation() -> None:
    for block in (
        b"",
        b"Exif\0\0",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"XX*\0" + bytes(8),
        b"II+\0" + bytes(20),
    ):
        assert exif_orientation(block) is None


def test_an_invalid_value_is_upright() -> None:
    assert exif_orientation(exif_block(0)) == exif_orientation(exif_block(9)) == 1
    assert exif_orientation(exif_block(6, count=2)) == exif_orientation(exif_block(6, kind=UNDEFINED)) == 1
    assert exif_orientation(exif_block(6, kind=LONG)) == 6
    assert exif_orientation(exif_block(6)[:-10]) is None


def test_a_directory_that_claims_huge_values_is_read_at_once() -> None:
    """65,535 entries that each point to all of 10 MB: a reader that fetches values needs 655 GB."""
    entry = struct.pack("<HHII", 1, UNDEFINED, 10_000_000, 0)
    block = b"II*\0" + struct.pack("<IH", 8, 65_535) + entry * 65_535 + bytes(10_000_000)
    began = time.process_time()
    assert exif_orientation(block) is None
    assert time.process_time() - began < 2


def test_xmp() -> None:
    assert (
        xmp_orientation(b'<rdf tiff:Orientation="6"/>')
        == xmp_orientation(b"<tiff:Orientation>6</tiff:Orientation>")
        == 6
    )
    for packet in (
        b"",
        b"tiff:Orientation",
        b'tiff:Orientation="x"',
        b'tiff:Orientation="9"',
        b"tiff:Orientation=6",
    ):
        assert xmp_orientation(packet) == 1
