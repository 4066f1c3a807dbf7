"""Archives and annotations made to mislead: each is rows, or one line that names the file, within limits."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from source_checks import source_of, told

from pipelines.sources.base import read_task
from schemas.errors import ConfigError

PICTURE = b"\xff\xd8\xff" + b"x" * 50
END = bytes(1024)


def header(name: str, size: int = 0, kind: bytes = b"0", field: bytes | None = None) -> bytes:
    """A tar header with a right checksum; `field` is its size as raw bytes."""
    info = tarfile.TarInfo(name)
    info.type = kind
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT)[-512:])
    block[124:136] = field or b"%011o\0" % size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def member(name: str, data: bytes) -> bytes:
    return header(name, len(data)) + padded(data)


def pax(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = len(body) + len(str(len(body) + 2))
    return header("pax", length, b"x") + padded(str(length).encode() + body)


GOOD = member("a.jpg", PICTURE) + member("a.txt", b"good")
DEEP = b'{"status":' + b"[" * 980 + b"]" * 980 + b"}"
ODD = b'{"caption":"\\ud800x","url":"\\udfff","original_width":1e400,"sha256":"' + b"9" * 5000 + b'"}'
TARS = {
    "long name of 2 GB": (GOOD + header("L", 2**31 - 1, b"L"), ["good", "unreadable"]),
    "long name of 2**62 bytes": (
        GOOD + header("L", 0, b"L", b"\x80" + (2**62).to_bytes(11, "big")),
        ["good", "unreadable"],
    ),
    "sparse 1.0": (GOOD + pax(b"GNU.sparse.major", b"1") + member("s.jpg", b"1\n"), ["good", "unreadable"]),
    "pax path that is half a surrogate": (
        pax(b"path", b"\xed\xa0\x80.jpg") + member("z", PICTURE) + GOOD + END,
        ["missing_caption", "good"],
    ),
    "pax size of -1": (GOOD + pax(b"size", b"-1") + member("z.jpg", b"x"), ["good", "unreadable"]),
    "pax size of 10**12": (GOOD + pax(b"size", b"9" * 12) + member("z.jpg", b"x"), ["good", "unreadable"]),
    "20,000 members of nothing": (header("x.bin") * 20_000 + GOOD + END, ["good"]),
    "gzip of 20,000 members": (
        gzip.compress(GOOD) + gzip.compress(b"") * 20_000 + gzip.compress(END),
        ["good"],
    ),
    "gzip with a name that never ends": (b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * 10**6, ["unreadable"]),
    "zeros in bzip2": (bz2.compress(GOOD + bytes(100 << 20)), ["good"]),
    "zeros in xz": (lzma.compress(GOOD + bytes(100 << 20), preset=0), ["good"]),
    "JSON as deep as may be": (member("b.json", DEEP) + GOOD + END, ["missing_image", "good"]),
    "JSON with odd values": (member("b.jpg", PICTURE) + member("b.json", ODD) + END, ["?x"]),
    "only dots": (member("." * 90 + "jpg", PICTURE) + END, ["unreadable"]),
}


@pytest.mark.parametrize("name", TARS)
def test_tars_that_mislead(name, tmp_path):
    data, expected = TARS[name]
    (tmp_path / "a.tar").write_bytes(data)
    source = source_of(kind="tars", uri=tmp_path / "a.tar")
    (task,) = source.plan()
    items = list(read_task(source, task))
    assert told(items) == expected
    json.dumps([getattr(item, "detail", "") for item in items]).encode()


def zipped(method: int = zipfile.ZIP_STORED, data: bytes = PICTURE) -> bytearray:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for number in range(2):
            archive.writestr(f"{number}.jpg", data)
    return bytearray(out.getvalue())


def with_entry(form: str, offset: int, *values: int, method: int = zipfile.ZIP_STORED) -> bytearray:
    """A zip whose last directory entry has other values."""
    data = zipped(method)
    struct.pack_into(form, data, data.rfind(b"PK\x01\x02") + offset, *values)
    return data


def with_large_dictionary() -> bytearray:
    data = zipped(zipfile.ZIP_LZMA)
    at = data.find(b"\x09\x04\x05\x00")  # LZMA's header in the first member
    data[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    return data


def zip64(entries: int, size: int) -> bytes:
    data = bytes(zipped())
    end = data.find(b"PK\x05\x06")
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, 0)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    return data[:end] + record + locator + data[end:]


ZIPS = {
    "entries that overlap": (with_entry("<I", 42, 0), ["c", "unreadable"]),
    "sizes that ask for zip64": (with_entry("<II", 20, 2**32 - 1, 2**32 - 1), ["c", "too_large"]),
    "two gigabytes unpacked": (
        with_entry("<I", 24, 2**31, method=zipfile.ZIP_DEFLATED),
        ["c", "too_large"],
    ),
    "a method that does not exist": (with_entry("<H", 10, 77), ["c", "unreadable"]),
    "encrypted": (with_entry("<H", 8, 1), ["c", "unreadable"]),
    "zip64 of 2**63 entries": (zip64(2**63, 2**63), "not a whole zip"),
    "zip64 of a terabyte": (zip64(2, 2**40), "not a whole zip"),
    "pictures that are zeros": (zipped(zipfile.ZIP_DEFLATED, bytes(50 << 20)), ["not_an_image"] * 2),
    "zeros in bzip2": (zipped(zipfile.ZIP_BZIP2, bytes(5 << 20)), ["not_an_image"] * 2),
}


@pytest.mark.parametrize("name", ZIPS)
def test_zips_that_mislead(name, tmp_path):
    data, expected = ZIPS[name]
    (tmp_path / "a.zip").write_bytes(data)
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in range(2)]
    captions = [{"image_id": number, "caption": "c"} for number in range(2)]
    about = {"images": images, "annotations": captions}
    (tmp_path / "c.json").write_text(json.dumps(about))
    source = source_of(kind="coco", annotations=tmp_path / "c.json", images=tmp_path / "a.zip")
    if isinstance(expected, str):
        with pytest.raises(ConfigError, match=f"a.zip: {expected}"):
            list(source.plan())
        return
    (task,) = source.plan()
    assert told(list(read_task(source, task))) == expected


FORM = '{"images":[{"id":%s,"file_name":"1.jpg"}],"annotations":[{"image_id":1,"caption":%s}]}'
JSONS = {
    "text of half a surrogate": (FORM % (1, '"\\ud800"'), ["?"]),
    "text with NUL": (FORM % (1, '"a\\u0000b"'), ["a\0b"]),
    "keys twice: the last counts": (FORM.replace('"id"', '"id":2,"id"') % (1, '"c"'), ["c"]),
    "an id of 30 digits": (FORM % ("9" * 30, '"c"'), "a number in it does not fit 64 bits"),
    "an id of 1e400": (FORM % ("1e400", '"c"'), "a number in it does not fit 64 bits"),
    "an id that is true": (FORM % ("true", '"c"'), ["missing_image", "malformed_row"]),
    "a caption that is an object": (FORM % (1, '{"a": 1}'), "no captions in it"),
    "a text of 100,000 escapes": (FORM % (1, '"c' + "\\\\" * 100_000 + '"'), ["c" + "\\" * 100_000]),
    "bytes that are no text": (b'{"images":["\xed\xa0\x80"]}', "no captions in it"),
    "text after the end": (FORM % (1, '"c"') + "x", "trailing garbage"),
    "a million open brackets": ('{"images":' + "[" * 10**6, "it is cut off"),
    "100,000 brackets where nothing is read": (
        '{"licenses":' + "[" * 10**5 + "]" * 10**5 + "," + (FORM % (1, '"c"'))[1:],
        ["c"],
    ),
}


@pytest.mark.parametrize("name", JSONS)
def test_annotations_that_mislead(name, tmp_path):
    data, expected = JSONS[name]
    (tmp_path / "1.jpg").write_bytes(PICTURE)
    (tmp_path / "c.json").write_bytes(data if isinstance(data, bytes) else data.encode())
    source = source_of(kind="coco", annotations=tmp_path / "c.json", images=tmp_path)
    if isinstance(expected, str):
        with pytest.raises(ConfigError, match=f"c.json: .*{expected}"):
            list(source.plan())
        return
    (task,) = source.plan()
    assert told(list(read_task(source, task))) == expected


def rows_of_quotes(folder: Path, lines: int) -> Path:
    """A table in which every line opens a quote and has thousands of cells."""
    cells = ",".join(["x"] * 2_000)
    (folder / "captions.csv").write_text("file_name,caption\n" + f'"1.jpg,{cells}\n' * lines)
    return folder


def test_a_table_of_open_quotes_takes_time_that_grows_with_its_size(tmp_path):
    (tmp_path / "1.jpg").write_bytes(PICTURE)
    source = source_of(1000, kind="folder", uri=rows_of_quotes(tmp_path, 110))
    (task,) = (
        source.plan()
    )  # 100 lines for each of 110, with thousands of names each: minutes, if asked again
    assert {str(item.reason) for item in read_task(source, task)} == {"malformed_row"}
