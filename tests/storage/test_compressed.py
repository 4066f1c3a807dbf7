import bz2
import gzip
import io
import lzma
import random

import pytest

from storage.compressed import CompressionError, decompressed

DATA = random.Random(0).randbytes(300_000) + b"text " * 20_000
WRITERS = {"plain": bytes, "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("piece", [1000, 1 << 20])
def test_every_format_gives_the_bytes_that_went_in(kind, piece):
    stream = decompressed(io.BytesIO(WRITERS[kind](DATA)))
    assert b"".join(iter(lambda: stream.read(piece), b"")) == DATA


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_streams_in_a_row_and_padding_are_read(kind):
    twice = WRITERS[kind](b"one") + WRITERS[kind](b"two") + bytes(100)
    assert decompressed(io.BytesIO(twice)).read() == b"onetwo"


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
@pytest.mark.parametrize("cut", [10, 20, -20, -1])
def test_data_that_ends_early_is_an_error(kind, cut):
    whole = WRITERS[kind](DATA)
    with pytest.raises(CompressionError):
        decompressed(io.BytesIO(whole[:cut])).read()


def test_three_bytes_of_gzip_are_an_error():
    with pytest.raises(CompressionError):
        decompressed(io.BytesIO(b"\x1f\x8b\x08")).read()


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_damaged_data_is_an_error(kind):
    broken = bytearray(WRITERS[kind](DATA))
    broken[len(broken) // 2] ^= 0x55
    with pytest.raises(CompressionError):
        decompressed(io.BytesIO(bytes(broken))).read()


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_a_bomb_stops_early(kind):
    stream = decompressed(io.BytesIO(WRITERS[kind](bytes(100 << 20))))
    pieces = iter(lambda: stream.read(1 << 20), b"")
    with pytest.raises(CompressionError, match="200-fold"):
        assert sum(len(piece) for piece in pieces) < 0
    assert stream.raw._out < 80 << 20


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_data_beyond_the_free_bytes_is_read_while_its_ratio_is_ordinary(kind, monkeypatch):
    monkeypatch.setattr("storage.compressed.FREE_BYTES", 10_000)
    assert decompressed(io.BytesIO(WRITERS[kind](DATA))).read() == DATA


def test_an_xz_header_cannot_ask_for_gigabytes():
    raw = bytearray(lzma.compress(b"x" * 100, preset=0))
    raw[15] = 38  # the block header's dictionary size: 2 GiB
    with pytest.raises(CompressionError):
        decompressed(io.BytesIO(bytes(raw))).read()
