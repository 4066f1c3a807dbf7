"""Tars from strangers: what other writers make is read, and what only an attacker makes is an error in no
time.
"""

import io
import tarfile
import time
import tracemalloc

import pytest

from storage.shards.read import ShardError, iter_shard
from storage.shards.tar import MAX_EXTENSIONS, TarError, TarReader


def checked(header: bytearray) -> bytes:
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def head(name: str, size: int = 0, kind: bytes = b"0", raw: bytes | None = None) -> bytes:
    info = tarfile.TarInfo(name)
    info.type = kind
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT)[-512:])
    header[124:136] = raw or b"%011o\0" % size
    return checked(header)


def pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def member(name: str, data: bytes = b"c") -> bytes:
    return head(name, len(data)) + pad(data)


def base256(number: int) -> bytes:
    return bytes([0x80 if number >= 0 else 0xFF]) + (number & ((1 << 88) - 1)).to_bytes(11, "big")


def record(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = len(body) + len(str(len(body)))
    return str(len(body) + len(str(length))).encode() + body


def pax(*records: bytes, kind: bytes = b"x") -> bytes:
    content = b"".join(records)
    return head("pax", len(content), kind) + pad(content)


def sparse(name: str, real: int) -> bytes:
    header = bytearray(head(name, 512, b"S"))
    header[386:398], header[398:410], header[483:495] = b"%011o\0" % 0, b"%011o\0" % 512, b"%011o\0" % real
    return checked(header) + bytes(512)


END = bytes(1024)
HOSTILE = {
    "2**80 bytes": head("n.jpg", raw=base256(1 << 80)) + END,
    "a negative size": head("n.jpg", raw=base256(-512)) + END,
    "a size that is no number": head("n.jpg", raw=b"99999999999\0") + END,
    "a terabyte that is not there": head("n.jpg", raw=base256(1 << 40)) + END,
    "PAX headers": pax(record(b"path", b"x.jpg")) * 400 + member("a.jpg") + END,
    "GNU long names": (head("././@LongLink", 600, b"L") + pad(b"a" * 600)) * 400 + member("a.jpg") + END,
    "a PAX header of digits": pax(b"1" * 80_000) + member("a.jpg") + END,
    "a PAX header of 2 GB": head("pax", raw=b"%011o\0" % (2 << 30), kind=b"x") + END,
    "a PAX record beyond its header": pax(b"99 path=x\n") + member("a.jpg") + END,
    "a PAX size of digits": pax(record(b"size", b"9" * 5000)) + member("a.jpg") + END,
    "a PAX size below zero": pax(record(b"size", b"-5")) + member("a.jpg") + END,
    "a sparse member": sparse("s.jpg", 250_000_000) + END,
    "a sparse member in PAX": pax(record(b"GNU.sparse.realsize", b"250000000")) + member("a.jpg") + END,
    "a long name of 2 GB": head("././@LongLink", raw=b"%011o\0" % (2 << 30), kind=b"L") + END,
    "noise": b"\x1f\x8b\x08" * 1000,
    "nothing": b"",
    "a cut header": head("a.jpg")[:100],
    "a cut member": head("a.jpg", 5000) + bytes(700),
}


def read_all(data: bytes, **options: bool) -> list[tuple[str, bytes]]:
    reader = TarReader(io.BytesIO(data), **options)
    return [(found.name, reader.read()) for found in reader]


@pytest.mark.parametrize("name", HOSTILE)
def test_what_only_an_attacker_makes_is_an_error_in_no_time_and_memory(name):
    start = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(TarError):
            read_all(HOSTILE[name])
        with pytest.raises(ShardError, match=r"m\.tar"):
            list(iter_shard("m.tar", stream=io.BytesIO(HOSTILE[name])))
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()
    assert time.process_time() - start < 2


@pytest.mark.parametrize("seek", [False, True])
@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tars_of_other_writers_are_read_as_tarfile_reads_them(kind, seek):
    members = {
        "a.jpg": b"x" * 700,
        f"{'deep/' * 25}b.txt": b"in a prefix",
        "empty.txt": b"",
        "z.txt": b"after",
    }
    if kind != tarfile.USTAR_FORMAT:
        members["k" * 180 + ".txt"] = b"long"
        members["käfer.txt"] = b"not ascii"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as tar:
        for type_, name in ((tarfile.DIRTYPE, "./"), (tarfile.SYMTYPE, "link"), (tarfile.LNKTYPE, "hard")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = type_, "a.jpg" if type_ != tarfile.DIRTYPE else ""
            tar.addfile(info)
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1.5
            tar.addfile(info, io.BytesIO(data))
    assert read_all(out.getvalue(), seek=seek) == list(members.items())


def test_a_pax_size_counts_and_global_headers_are_passed_over():
    data = pax(record(b"comment", b"made elsewhere"), kind=b"g")
    data += pax(record(b"size", b"3")) + head("a.txt", 0) + pad(b"abc") + member("b.txt") + END
    assert read_all(data) == [("a.txt", b"abc"), ("b.txt", b"c")]


def test_a_few_extension_headers_in_a_row_are_allowed():
    one = pax(record(b"path", b"x.jpg"))
    assert read_all(one * MAX_EXTENSIONS + member("a.jpg") + END) == [("x.jpg", b"c")]
    with pytest.raises(TarError, match="in a row"):
        read_all(one * (MAX_EXTENSIONS + 1) + member("a.jpg") + END)


@pytest.mark.parametrize("seek", [False, True])
def test_content_that_is_not_read_is_skipped(seek):
    stream = io.BytesIO(member("a.jpg", b"x" * 5000) + member("b.txt") + END)
    reader = TarReader(stream, seek=seek)
    assert [(found.name, found.size, found.offset) for found in reader] == [
        ("a.jpg", 5000, 512),
        ("b.txt", 1, 6144),
    ]
    assert reader.ended


def test_names_that_are_not_text_are_no_shard():
    for name in (b"\xff\xfe.txt", b"a\x1b[2J.txt"):
        header = bytearray(head("a.txt", 1))
        header[: len(name)] = name
        data = checked(header) + pad(b"c") + END
        with pytest.raises(ShardError, match="not a shard of ours") as error:
            list(iter_shard("m.tar", stream=io.BytesIO(data)))
        str(error.value).encode()


def test_a_sample_is_bounded_in_bytes(monkeypatch):
    monkeypatch.setattr("storage.shards.read.MAX_SAMPLE_BYTES", 1000)
    data = b"".join(member(f"a.{number:03d}.jpg", b"x" * 400) for number in range(3)) + END
    with pytest.raises(ShardError, match="sample a is over the limit of 1000 bytes"):
        list(iter_shard("m.tar", stream=io.BytesIO(data)))
