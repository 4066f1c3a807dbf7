"""Good files of every kind that a job reads, and the mutations of each kind's own tricks."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import struct
import tarfile
import tempfile
import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.mutations import Mutation, flip_head

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
CODECS = {"mp4": "mpeg4", "mkv": "mpeg4", "avi": "mpeg4", "mov": "libx264", "webm": "libvpx"}
BLOCK = 512


def picture(rng: random.Random) -> bytes:
    """A smooth ramp with noise, of a random format, size and mode."""
    height, width = rng.randrange(64, 300), rng.randrange(64, 300)
    noise = np.random.default_rng(rng.randrange(2**32)).integers(0, 60, (height, width, 3))
    ramp = np.linspace(0, 190, width)[None, :, None]
    image = Image.fromarray((ramp + noise).astype(np.uint8))
    out = io.BytesIO()
    kind = rng.choice(FORMATS)
    modes = {"JPEG": ("RGB", "L", "CMYK"), "GIF": ("P",), "PNG": ("RGB", "RGBA", "P", "L", "I;16")}
    mode = rng.choice(modes.get(kind, ("RGB",)))
    image = image.convert("L").convert(mode) if mode == "I;16" else image.convert(mode)
    options = {"progressive": rng.random() < 0.5} if kind == "JPEG" else {}
    image.save(out, kind, **options)
    return out.getvalue()


def splice(data: bytes, rng: random.Random) -> bytes:
    """The end of another picture."""
    other = picture(rng)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other)) :]


def markup(data: bytes, rng: random.Random) -> bytes:
    """Text that takes long to recognise."""
    begin = rng.choice((b"<!---->", b"<!--", b"<?xml ", b"<svg ", b"GIF89a", b"%!PS-Adobe ", b"RIFF"))
    return begin * rng.choice((1, 40, 4000)) + b"x"


def tar(rng: random.Random) -> bytes:
    """Three samples in a tar of a random form and compression."""
    out = io.BytesIO()
    form = rng.choice((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for number in range(3):
            key = f"{number}" + ("é" * 70 if rng.random() < 0.3 and form != tarfile.USTAR_FORMAT else "")
            about = json.dumps({"caption": f"caption {number}", "url": "http://example.org/"}).encode()
            for ending, data in (("jpg", picture(rng)), ("txt", b"a caption"), ("json", about)):
                member = tarfile.TarInfo(f"{key}.{ending}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return rng.choice((bytes, bytes, gzip.compress, bz2.compress, lzma.compress))(out.getvalue())


def tar_header(data: bytes, rng: random.Random) -> bytes:
    """One header block whose fields are absurd, with a right checksum."""
    blocks = max(1, len(data) // BLOCK)
    at = BLOCK * rng.randrange(blocks)
    header = bytearray(data[at : at + BLOCK].ljust(BLOCK, b"\0"))
    size = rng.choice((b"77777777777\0", b"\x80" + bytes(10) + b"\x01", b"\x80" + b"\xff" * 11, b"\xff" * 12))
    header[124:136] = size
    header[156:157] = rng.choice((b"0", b"L", b"K", b"x", b"g", b"S", b"5", b"X", b"\xff"))
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % (sum(header) & 0o777777)
    return data[:at] + bytes(header) + data[at + BLOCK :]


def compressed_again(data: bytes, rng: random.Random) -> bytes:
    """Members of compressed zeros in front of, or behind, the file."""
    pack = rng.choice((gzip.compress, bz2.compress, lzma.compress))
    zeros = pack(bytes(rng.choice((512, 1 << 20, 40 << 20))))
    return rng.choice((zeros + data, data + zeros, pack(data), zeros * 50))


def zipped(rng: random.Random, names: list[str]) -> bytes:
    """Pictures in a zip of a random method."""
    out = io.BytesIO()
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    with zipfile.ZipFile(out, "w", rng.choice(methods)) as archive:
        for name in names:
            archive.writestr(name, picture(rng))
    return out.getvalue()


def zip_directory(data: bytes, rng: random.Random) -> bytes:
    """An absurd size, place, flag or method in every entry of the directory."""
    changed, at = bytearray(data), data.find(b"PK\x01\x02")
    field, form = rng.choice(((8, "<H"), (10, "<H"), (20, "<I"), (24, "<I"), (42, "<I"), (30, "<H")))
    value = (
        rng.choice((0, 1, 9, 12, 14, 99, 0xFFFF))
        if form == "<H"
        else rng.choice((0, 1, 0x7FFFFFFF, 2**32 - 1))
    )
    while 0 <= at <= len(changed) - 46:
        struct.pack_into(form, changed, at + field, value)
        at = data.find(b"PK\x01\x02", at + 4)
    return bytes(changed)


def annotations(names: list[str], first: int) -> bytes:
    """COCO's JSON for these pictures, with ids from `first`."""
    images = [{"id": first + n, "file_name": name, "size": [1.5, None]} for n, name in enumerate(names)]
    captions = [{"image_id": first + n, "caption": f"caption {n}"} for n in range(len(names))]
    return json.dumps({"images": images, "annotations": captions}).encode()


def json_value(data: bytes, rng: random.Random) -> bytes:
    """An absurd value in the place of a value or key."""
    value = rng.choice(
        (
            b"[" * 50_000,
            b"[" * 5_000 + b"]" * 5_000,
            b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
            b"1" * 6_000,
            b"1e400",
            b"-1e-400",
            b"NaN",
            b'"\\ud800"',
            b'"\\u0000"',
            b'"' + b"a" * (1 << 20) + b'"',
            b'"' + b"\\\\" * 5_000 + b'"',
            b"1, " * 20_000 + b"1",
            b"true",
            b"{}",
        )
    )
    places = [at for at in range(len(data)) if data[at : at + 1] in (b":", b",")]
    if not places:
        return value
    at = rng.choice(places) + 1
    return data[:at] + b" " + value + data[at + rng.choice((0, 2, 9)) :]


def table(rng: random.Random) -> bytes:
    """A Parquet table of six rows, of a random compression, page size and encoding."""
    out = io.BytesIO()
    pictures = pa.array([picture(rng) for _ in range(6)])
    captions = pa.array([f"caption {n % 3}" for n in range(6)])
    columns = {
        "image": pictures,
        "caption": captions,
        "other": pa.array([[n, {"a": n}["a"]] for n in range(6)]),
    }
    pq.write_table(
        pa.table(columns),
        out,
        row_group_size=rng.choice((2, 6)),
        compression=rng.choice(("none", "snappy", "gzip", "zstd", "brotli", "lz4")),
        use_dictionary=rng.random() < 0.5,
        data_page_version=rng.choice(("1.0", "2.0")),
        data_page_size=rng.choice((100, 1 << 20)),
        write_page_index=rng.random() < 0.5,
    )
    return out.getvalue()


def footer(data: bytes, rng: random.Random) -> bytes:
    """Some bytes of the footer are others, or its length is."""
    changed = bytearray(data)
    if len(changed) < 12:
        return data
    (length,) = struct.unpack_from("<I", changed, len(changed) - 8)
    if rng.random() < 0.2:
        struct.pack_into("<I", changed, len(changed) - 8, rng.choice((0, 1, length + 1, 2**31, 2**32 - 1)))
        return bytes(changed)
    for _ in range(rng.choice((1, 1, 2, 6))):
        place = len(changed) - 9 - rng.randrange(max(1, min(length, len(changed) - 9)))
        changed[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, rng.randrange(256)))
    return bytes(changed)


def captions(names: list[str], kind: str) -> bytes:
    """A table of captions as CSV, JSON lines or TSV of URLs."""
    if kind == "csv":
        rows = [f'{name},"a caption, ""quoted"""' for name in names]
        return "\n".join(["file_name,caption", *rows, ""]).encode()
    if kind == "jsonl":
        return b"".join(
            json.dumps({"file_name": name, "text": "a caption"}).encode() + b"\n" for name in names
        )
    return "".join(f"a caption {name}\thttp://127.0.0.1:9/{name}\n" for name in names).encode()


def table_text(data: bytes, rng: random.Random) -> bytes:
    """Quotes, line ends, NUL bytes and delimiters where none should be, or a very long line."""
    at = rng.randrange(len(data) + 1)
    piece = rng.choice(
        (b'"', b'"' * 3001, b"\r", b"\0" * 40, b"," * 3000, b"\n" * 3000, b"\xff\xfe", b"x" * 300_000)
    )
    return data[:at] + piece + data[at:]


def video(rng: random.Random) -> tuple[str, bytes]:
    """(ending, bytes) of a moving square."""
    import av

    ending = rng.choice(tuple(CODECS))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"v.{ending}"
        with av.open(str(path), "w") as container:
            stream = container.add_stream(CODECS[ending], rate=rng.choice((10, 25, 30)))
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            stream.codec_context.time_base = Fraction(1, 25)
            for number in range(12):
                pixels = np.full((64, 96, 3), 90, np.uint8)
                pixels[16:48, 4 * number : 4 * number + 32] = 200
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return ending, path.read_bytes()


def box(data: bytes, rng: random.Random) -> bytes:
    """Absurd numbers in a box of an MP4: durations, time bases, edit lists, counts, sizes; or many tracks."""
    names = (
        b"mvhd",
        b"mdhd",
        b"tkhd",
        b"elst",
        b"stts",
        b"stsz",
        b"stsc",
        b"stco",
        b"ctts",
        b"trak",
        b"moov",
    )
    present = [name for name in names if name in data]
    if not present:
        return flip_head(data, rng)
    changed, at = bytearray(data), data.find(rng.choice(present))
    for _ in range(rng.choice((1, 3))):
        place = at + 4 * rng.randrange(-1, 12)
        number = struct.pack(">I", rng.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x10000000)))
        changed[max(0, place) : max(0, place) + 4] = number
    return bytes(changed)


PICTURE: tuple[Mutation, ...] = (flip_head, splice, markup)
TAR: tuple[Mutation, ...] = (tar_header, compressed_again)
ZIP: tuple[Mutation, ...] = (zip_directory,)
JSON: tuple[Mutation, ...] = (json_value,)
PARQUET: tuple[Mutation, ...] = (footer, footer)
TABLE: tuple[Mutation, ...] = (table_text,)
VIDEO: tuple[Mutation, ...] = (box,)
