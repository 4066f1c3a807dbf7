"""A list of everything that goes wrong on the web, through the real job: reasons and counts."""

from __future__ import annotations

import http.server
import io
import struct
import threading
import time
import zlib
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from storage.shards.read import iter_shard
from storage.tables import iter_rows, read_manifest
from zoetrope import cli
from zoetrope.samples import pictures

CONFIG = str(Path(__file__).parents[3] / "configs" / "animate" / "cc3m.yaml")
GOOD = next(iter(pictures(1, long_side=320))).jpeg


def jpeg(mode: str = "RGB", size: tuple[int, int] = (320, 240), **options) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(GOOD)).resize(size).convert(mode).save(out, "JPEG", **options)
    return out.getvalue()


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn 90 degrees clockwise to show
    return jpeg(size=(320, 200), exif=exif)


def bomb() -> bytes:
    """A PNG of 30,000 x 30,000 in a few hundred bytes of header and nothing behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


class Rogue(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bodies = {
        "/good": GOOD,
        "/cmyk": jpeg("CMYK"),
        "/rotated": rotated(),
        "/html": b"<html>sorry</html>",
        "/bomb": bomb(),
    }
    bodies |= {
        "/truncated": GOOD[: len(GOOD) // 2],
        "/tiny": jpeg(size=(1, 1)),
        "/wide": jpeg(size=(1200, 100)),
        "/empty": b"",
    }

    def do_GET(self):
        if self.path in self.bodies:
            self.reply(200, self.bodies[self.path])
        elif self.path == "/loop":
            self.reply(302, b"", Location="/loop")
        elif self.path == "/to-file":
            self.reply(302, b"", Location="file:///etc/passwd")
        elif self.path == "/no-ai":
            self.reply(200, GOOD, **{"X-Robots-Tag": "noai, noimageai"})
        elif self.path == "/drip":
            self.endless(b"\xff\xd8", pause=0.05)
        elif self.path == "/huge":
            self.endless(b"\xff\xd8\xff" + bytes(1 << 20), pause=0)
        else:
            self.reply(404, b"not here")

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": "image/jpeg",
            "Content-Length": str(len(body)),
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def endless(self, piece: bytes, pause: float) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for _ in range(1024):
                self.wfile.write(piece)
                time.sleep(pause)
        except OSError:
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def base():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rogue)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_every_rogue_row_has_its_reason_and_the_job_ends_well(base, tmp_path, capsys):
    rows: list[tuple[bytes, str | None]] = [
        (f"a good picture\t{base}/good".encode(), None),
        (f"the same again\t{base}/good".encode(), None),
        (f"in four inks\t{base}/cmyk".encode(), None),
        (f"turned by EXIF\t{base}/rotated".encode(), None),
        (f"tabs\tin &amp;  the\tcaption\t{base}/good".encode(), None),
        (b"dead host\thttp://127.0.0.1:1/x.jpg", "connection_error"),
        (f"gone\t{base}/nowhere".encode(), "http_404"),
        (f"round and round\t{base}/loop".encode(), "too_many_redirects"),
        (f"to a file\t{base}/to-file".encode(), "unsupported_scheme"),
        (f"says no\t{base}/no-ai".encode(), "opted_out"),
        (f"drips for ever\t{base}/drip".encode(), "timeout"),
        (f"a gigabyte\t{base}/huge".encode(), "too_large"),
        (f"a page\t{base}/html".encode(), "not_an_image"),
        (f"half\t{base}/truncated".encode(), "truncated"),
        (f"a bomb\t{base}/bomb".encode(), "too_many_pixels"),
        (f"one pixel\t{base}/tiny".encode(), "too_small"),
        (f"a ribbon\t{base}/wide".encode(), "bad_aspect"),
        (f"nothing\t{base}/empty".encode(), "empty_body"),
        (f"  \t{base}/good".encode(), "empty_caption"),
        (b"no tab at all", "malformed_row"),
        (b"not \xff\xfe text\t" + f"{base}/good".encode(), "not_utf8"),
        (b"x" * 10_000_000 + f"\t{base}/good".encode(), "row_too_long"),
        (b"a scheme\tftp://example.org/x.jpg", "unsupported_scheme"),
        (b"no url\thttp://", "bad_url"),
    ]
    tsv = tmp_path / "rogue.tsv"
    tsv.write_bytes(b"\n".join(row for row, _ in rows) + b"\n")
    output = tmp_path / "clips"
    settings = [
        "fetch.allow_private=true",
        "fetch.deadline=2",
        "fetch.max_bytes=3000000",
        "fetch.retries=0",
        "workers=1",
    ]
    code = cli.main(["animate", "--config", CONFIG, f"source.uri={tsv}", f"output={output}", *settings])
    assert code == 0, capsys.readouterr()
    failures = list(iter_rows(str(output), FAILURES_FILE))
    assert Counter(row["reason"] for row in failures) == Counter(reason for _, reason in rows if reason)
    samples = list(iter_rows(str(output), SAMPLES_FILE))
    assert len(samples) == sum(reason is None for _, reason in rows)
    assert len({row["key"] for row in [*failures, *samples]}) == len(rows)
    assert [row["caption"] for row in samples][-1] == "tabs in & the caption"
    turned = samples[3]
    assert (turned["original_width"], turned["original_height"]) == (200, 320)
    shards = [sample for row in read_manifest(str(output)) for sample in iter_shard(str(output / row.shard))]
    assert [sample.key for sample in shards] == [row["key"] for row in samples]
    assert cli.main(["validate", str(output)]) == 0


def test_a_private_address_is_refused_unless_allowed(base, tmp_path):
    tsv = tmp_path / "private.tsv"
    urls = [
        f"{base}/good",
        "http://localhost/x.jpg",
        "http://169.254.169.254/latest",
        "http://[::1]/x.jpg",
        "http://10.0.0.1/x",
    ]
    tsv.write_text("".join(f"a picture\t{url}\n" for url in urls))
    output = tmp_path / "clips"
    code = cli.main(["animate", "--config", CONFIG, f"source.uri={tsv}", f"output={output}", "workers=1"])
    assert code == 1  # not one clip
    assert [row["reason"] for row in iter_rows(str(output), FAILURES_FILE)] == ["refused_address"] * len(urls)
    assert read_manifest(str(output)) == []
