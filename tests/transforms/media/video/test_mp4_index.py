"""The claims of MP4 indexes."""

from __future__ import annotations

import io
import struct
import time
import zlib

import numpy as np
import pytest

from transforms.media.video.mp4 import decode_mp4, encode_mp4
from transforms.media.video.mp4_index import MAX_SAMPLES, IndexTooLargeError, check_index

CLIP = encode_mp4(np.zeros((12, 64, 64, 3), np.uint8), 8.0)
FULL = bytes(4)  # version and flags
NESTED = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts")


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + name + body


def with_boxes(data: bytes, replaced: dict[bytes, bytes]) -> bytes:
    """The file with the bodies of some boxes replaced."""
    out, at = b"", 0
    while at + 8 <= len(data):
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body = data[at + 8 : at + size]
        if name in NESTED:
            body = with_boxes(body, replaced)
        out += box(name, replaced.get(name, body))
        at += size
    return out


def moov(data: bytes) -> bytes:
    at = data.index(b"moov") - 4
    return data[at : at + int.from_bytes(data[at : at + 4], "big")]


EQUAL_SIZES = with_boxes(CLIP, {b"stsz": FULL + struct.pack(">II", 1000, 20_000_000)})
EDITS = with_boxes(
    CLIP,
    {
        b"stsz": FULL + struct.pack(">II", 1000, 100_000),
        b"elst": FULL + struct.pack(">I", 3000) + struct.pack(">IIHH", 768, 0, 1, 0) * 3000,
    },
)
FRAGMENTS = CLIP + box(b"moof", box(b"traf", box(b"trun", FULL + struct.pack(">I", 2**31))))
SQUEEZED = box(b"cmvd", bytes(4) + zlib.compress(moov(EQUAL_SIZES)))
COMPRESSED = CLIP + box(b"moov", box(b"cmov", box(b"dcom", b"zlib") + SQUEEZED))


@pytest.mark.parametrize(
    "data", [EQUAL_SIZES, EDITS, FRAGMENTS, COMPRESSED], ids=["sizes", "edits", "fragments", "compressed"]
)
def test_an_index_of_gigabytes_is_refused_before_it_is_built(data: bytes) -> None:
    assert len(data) < 64_000
    began = time.process_time()
    with pytest.raises(IndexTooLargeError, match=f"more than {MAX_SAMPLES}"):
        check_index(io.BytesIO(data))
    with pytest.raises(ValueError, match="mp4: its index claims"):
        decode_mp4(data)
    assert time.process_time() - began < 1


def test_ordinary_files_and_other_bytes_pass_and_the_stream_is_rewound() -> None:
    for data in (
        CLIP,
        b"",
        b"RIFF" + bytes(100),
        CLIP[:200],
        b"\0\0\0\1ftyp" + bytes(8),
        bytes(1000),
        CLIP[:-500],
    ):
        stream = io.BytesIO(data)
        check_index(stream)
        assert stream.tell() == 0


def test_uncompressed_sound_is_indexed_by_the_chunk() -> None:
    """An hour at 48 kHz claims 172,800,000 samples and takes no memory."""
    sound = {
        b"hdlr": FULL + bytes(4) + b"soun" + bytes(13),
        b"stts": FULL + struct.pack(">III", 1, 172_800_000, 1),
        b"stsz": FULL + struct.pack(">II", 4, 172_800_000),
    }
    check_index(io.BytesIO(with_boxes(CLIP, sound)))
    sound[b"hdlr"] = FULL + bytes(4) + b"vide" + bytes(13)
    with pytest.raises(IndexTooLargeError):
        check_index(io.BytesIO(with_boxes(CLIP, sound)))


def test_a_table_holds_no_more_samples_than_it_has_bytes() -> None:
    check_index(io.BytesIO(with_boxes(CLIP, {b"stsz": FULL + struct.pack(">II", 0, 2**31) + bytes(400)})))


def test_boxes_without_end_are_refused() -> None:
    began = time.process_time()
    with pytest.raises(IndexTooLargeError, match="boxes"):
        check_index(io.BytesIO(box(b"moov", box(b"free", b"") * 1_100_000)))
    assert time.process_time() - began < 20
