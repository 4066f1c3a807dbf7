import bz2
import gzip
import io
import lzma
import random

import pytest

from pipelines.sources import unpack
from pipelines.sources.unpack import unpacked
from storage.shards.tar import TarError

DATA = random.Random(0).randbytes(600_000) + bytes(400_000)
PACKERS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}


def read_all(data: bytes, size: int = 50_000) -> bytes:
    stream = unpacked(io.BytesIO(data))
    parts = []
    while part := stream.read(size):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("kind", PACKERS)
def test_each_compression_is_recognised_and_undone(kind: str) -> None:
    pack = PACKERS[kind]
    assert read_all(pack(DATA)) == DATA
    assert read_all(pack(DATA[:100]) + pack(DATA[100:]) + bytes(1024)) == DATA
    assert read_all(DATA) == DATA


@pytest.mark.parametrize("kind", PACKERS)
def test_damaged_and_cut_off_data_is_a_tar_error(kind: str) -> None:
    packed = bytearray(PACKERS[kind](DATA))
    with pytest.raises(TarError, match="cut off"):
        read_all(bytes(packed[: len(packed) // 2]))
    packed[len(packed) // 2] ^= 0xFF
    packed[len(packed) // 2 + 1] ^= 0xFF
    with pytest.raises(TarError, match="damaged"):
        read_all(bytes(packed))


@pytest.mark.parametrize("kind", PACKERS)
def test_a_bomb_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "ALWAYS_ALLOWED", 1_000_000)
    with pytest.raises(TarError, match="unpack to over"):
        read_all(PACKERS[kind](bytes(50_000_000)))


def test_an_xz_header_that_asks_for_gigabytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "MAX_XZ_MEMORY", 1024)
    with pytest.raises(TarError, match=r"[Mm]emory"):
        read_all(lzma.compress(DATA, preset=6))
