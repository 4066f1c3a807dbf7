"""The format of a picture file, by its first bytes."""

from __future__ import annotations

from schemas.records import Reason, SampleError, Stage
from transforms.media.formats.errors import unsupported

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
    b"\x00\x00\x02\x00": "cursor or Targa",
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
_AVIF = frozenset([b"avif", b"avis"])
_HEIC = frozenset([b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"])
_MAX_BRANDS = 64  # of a file; more are not looked at
HEAD_BYTES = 4096  # of a file, by which its format is known; they are searched for the <svg> element


def sniff(data: bytes) -> str:
    """Name the format: jpeg, png, webp, gif, bmp, tiff, or avif where Pillow reads it.

    Raises SampleError (stage decode): empty_body, unsupported_format, not_an_image.
    """
    if not data:
        raise SampleError(Stage.DECODE, Reason.EMPTY_BODY, "no bytes")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    for magic, kind in _SUPPORTED.items():
        if data.startswith(magic):
            return kind
    brands = _brands(data)
    if brands & _AVIF and _reads_avif():
        return "avif"
    known = _known(data, brands)
    if known:
        raise unsupported(f"{known} is not read; convert it to JPEG, PNG or WebP")
    head = data[:40].decode("latin-1")
    raise SampleError(Stage.DECODE, Reason.NOT_AN_IMAGE, f"begins with {head!r}")


def _brands(data: bytes) -> frozenset[bytes]:
    """The major brand and the compatible brands of an ISO base media file; none for other files."""
    if data[4:8] != b"ftyp":
        return frozenset()
    end = min(int.from_bytes(data[:4], "big"), len(data), 16 + 4 * _MAX_BRANDS)
    return frozenset([data[8:12], *(data[at : at + 4] for at in range(16, end, 4))])


def _reads_avif() -> bool:
    from PIL import features

    return bool(features.check("avif"))


def _known(data: bytes, brands: frozenset[bytes]) -> str | None:
    if brands & _AVIF:
        return "AVIF (this Pillow has no decoder for it)"
    if brands & _HEIC:
        return "HEIC"
    for magic, name in _KNOWN.items():
        if data.startswith(magic):
            return name
    if data[:1] == b"P" and data[1:2] in b"1234567fF" and data[2:3].isspace():
        return "portable pixmap"
    if not _is_svg(data[:HEAD_BYTES]):
        return None
    return "SVG"


def _is_svg(head: bytes) -> bool:
    """Is <svg> the first element of an XML text? One pass over declaration, comments and doctype."""
    text = head.removeprefix(b"\xef\xbb\xbf").lower()
    at = 0
    while True:
        while text[at : at + 1].isspace():
            at += 1
        for opening, closing in ((b"<?xml", b"?>"), (b"<!--", b"-->"), (b"<!doctype svg", b">")):
            if text.startswith(opening, at):
                end = text.find(closing, at + len(opening))
                if end < 0:
                    return False
                at = end + len(closing)
                break
        else:
            return text.startswith(b"<svg", at) and text[at + 4 : at + 5] in (b">", b" ", b"\t", b"\r", b"\n")
