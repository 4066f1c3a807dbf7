import time

import pytest

from schemas.records import Reason, SampleError
from transforms.media.formats.sniff import sniff

HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xff\xd8\xff\xe0....", "jpeg"),
        (b"\x89PNG\r\n\x1a\n....", "png"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "webp"),
        (b"GIF87a..", "gif"),
        (b"BM......", "bmp"),
        (b"MM\x00*....", "tiff"),
    ],
)
def test_supported_formats(data: bytes, kind: str) -> None:
    assert sniff(data) == kind


@pytest.mark.parametrize(
    ("data", "reason", "detail"),
    [
        (b"", Reason.EMPTY_BODY, "no bytes"),
        (b"<!DOCTYPE html><html>404</html>", Reason.NOT_AN_IMAGE, "DOCTYPE"),
        (b"<html><svg></svg></html>", Reason.NOT_AN_IMAGE, "<html>"),
        (b"%PDF-1.7", Reason.NOT_AN_IMAGE, "PDF"),
        (b"RIFF\x10\x00\x00\x00WAVE", Reason.NOT_AN_IMAGE, "RIFF"),
        (b"\x00\x00\x00\x18ftypisom", Reason.NOT_AN_IMAGE, "ftyp"),
        (b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="x">', Reason.UNSUPPORTED_FORMAT, "SVG"),
        (b"\xef\xbb\xbf<svg>", Reason.UNSUPPORTED_FORMAT, "SVG"),
        (HEIC, Reason.UNSUPPORTED_FORMAT, "HEIC"),
        (b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00miafheic", Reason.UNSUPPORTED_FORMAT, "HEIC is not read"),
        (b"<!---->" * 40 + b"x", Reason.NOT_AN_IMAGE, "<!---->"),
        (b"<!--" * 1000, Reason.NOT_AN_IMAGE, "<!--"),
        (b"<?xml " * 600, Reason.NOT_AN_IMAGE, "<?xml"),
        (b" " * 4000 + b"<svg", Reason.NOT_AN_IMAGE, " "),
        (b"<!-- a -->\n<!DOCTYPE svg PUBLIC 'x'>\n<!-- b --><SVG\n", Reason.UNSUPPORTED_FORMAT, "SVG"),
        (b"8BPS\x00\x01", Reason.UNSUPPORTED_FORMAT, "Photoshop"),
        (b"P6\n64 64\n255\n", Reason.UNSUPPORTED_FORMAT, "pixmap"),
    ],
)
def test_everything_else_has_its_reason(data: bytes, reason: Reason, detail: str) -> None:
    with pytest.raises(SampleError) as caught:
        sniff(data)
    assert caught.value.reason == reason
    assert detail in caught.value.detail


@pytest.mark.parametrize("brands", [b"avif", b"avis", b"mif1\0\0\0\0miafavif", b"avif\0\0\0\0heic"])
def test_avif_is_read_where_pillow_reads_it(brands: bytes, monkeypatch) -> None:
    data = (8 + len(brands)).to_bytes(4, "big") + b"ftyp" + brands
    monkeypatch.setattr("PIL.features.check", lambda name: True)
    assert sniff(data) == "avif"
    monkeypatch.setattr("PIL.features.check", lambda name: False)
    with pytest.raises(SampleError, match="this Pillow has no decoder"):
        sniff(data)


def test_comments_without_end_are_read_in_one_pass() -> None:
    began = time.process_time()
    for data in (
        b"<!---->" * 10_000,
        b"<!--" * 100_000,
        b" <!-- --> " * 10_000,
        b"\xef\xbb\xbf" + b"\n" * 4096,
    ):
        with pytest.raises(SampleError):
            sniff(data)
    assert time.process_time() - began < 0.5
