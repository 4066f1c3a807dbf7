"""What a file is, by its first bytes."""

from __future__ import annotations

import re

from schemas.records import Reason, SampleError, Stage

_SUPPORTED = {  # https://www.iana.org/assignments/media-types, and the formats' own specifications
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"BM": "bmp",
    b"II*\x00": "tiff",
    b"MM\x00*": "tiff",
}
_KNOWN = {
    b"8BPS": "Photoshop",
    b"\x00\x00\x00\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL \r\n\x87\n": "JPEG XL",
    b"\x00\x00\x01\x00": "icon",
    b"\x00\x00\x02\x00": "cursor",
    b"II+\x00": "BigTIFF",
    b"MM\x00+": "BigTIFF",
    b"II\xbc\x01": "JPEG XR",
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"DDS ": "DirectDraw surface",
    b"icns": "Apple icon",
    b"qoif": "QOI",
    b"%!PS-Adobe": "PostScript",
    b"\xd7\xcd\xc6\x9a": "Windows metafile",
}
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF"} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"
)
_PORTABLE = re.compile(rb"P[1-7fF]\s")
_SVG = re.compile(
    rb"\s*(?:\xef\xbb\xbf)?\s*(?:<\?xml.*?\?>\s*)?(?:<!--.*?-->\s*)*(?:<!DOCTYPE svg.*?>\s*)?<svg[\s>]",
    re.S | re.I,
)


def sniff(data: bytes) -> str:
    """jpeg, png, webp, gif, bmp or tiff. Raises SampleError (stage decode): empty_body, unsupported_format, not_an_image."""
    if not data:
        raise SampleError(Stage.DECODE, Reason.EMPTY_BODY, "no bytes")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    for magic, kind in _SUPPORTED.items():
        if data.startswith(magic):
            return kind
    known = _known(data)
    if known:
        raise SampleError(Stage.DECODE, Reason.UNSUPPORTED_FORMAT, f"{known} is not supported")
    head = data[:40].decode("latin-1")
    raise SampleError(Stage.DECODE, Reason.NOT_AN_IMAGE, f"begins with {head!r}")


def webp_size(data: bytes) -> tuple[int, int]:
    """(height, width) of a WebP's canvas, from its first chunk (RFC 9649). Raises SampleError: truncated or corrupt."""
    if len(data) < 30 or len(data) < 8 + int.from_bytes(data[4:8], "little"):
        raise SampleError(
            Stage.DECODE, Reason.TRUNCATED, f"webp: {len(data)} bytes, and its header says more"
        )
    chunk, body = data[12:16], data[20:30]
    if chunk == b"VP8X":
        return int.from_bytes(body[7:10], "little") + 1, int.from_bytes(body[4:7], "little") + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if chunk == b"VP8 ":
        return int.from_bytes(body[8:10], "little") & 0x3FFF, int.from_bytes(body[6:8], "little") & 0x3FFF
    raise SampleError(Stage.DECODE, Reason.CORRUPT, f"webp: first chunk is {chunk!r}")


def _known(data: bytes) -> str | None:
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12])
    for magic, name in _KNOWN.items():
        if data.startswith(magic):
            return name
    if _PORTABLE.match(data):
        return "portable pixmap"
    return "SVG" if _SVG.match(data[:4096]) else None
