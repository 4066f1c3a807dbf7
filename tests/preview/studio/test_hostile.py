"""Requests that no page of ours sends: each is answered with 4xx within seconds, and the server goes on."""

from __future__ import annotations

import asyncio
import json
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image
from tiny_output import build_output

from preview.studio.outputs.view import OutputView
from preview.studio.pictures import PictureBook
from preview.studio.server import make_app
from preview.studio.state import Studio
from preview.studio.web.exchange import MAX_DEPTH

CLIP = {"picture": "p0", "motions": ["zoom_in"], "frames": 2, "width": 16, "height": 16}
SECONDS = 10  # on a busy machine; each takes milliseconds


@pytest.fixture
def studio(tmp_path, make_picture):
    Image.fromarray(make_picture(120, 160, 0)).save(tmp_path / "a.png")
    return Studio(PictureBook([str(tmp_path / "a.png")]))


def ask(studio, *requests):
    """[(status, error)] of (method, path, keywords), and then that the page still opens."""

    async def run():
        async with TestClient(TestServer(make_app(studio))) as client:
            answers = []
            for method, path, keywords in requests:
                response = await client.request(method, path, **keywords)
                answers.append((response.status, (await response.json())["error"]))
            assert (await client.get("/")).status == 200
            return answers

    start = time.monotonic()
    answers = asyncio.run(run())
    assert time.monotonic() - start < SECONDS
    assert all("\n" not in error and len(error) <= 600 for _, error in answers)
    return answers


@pytest.mark.parametrize(
    "host", ["[", "[::1", "]", "a b", "", "[]:80", "evil.example", "127.0.0.1.evil.example", "@", "::"]
)
def test_an_odd_host_is_refused(studio, host):
    assert [status for status, _ in ask(studio, ("GET", "/api/state", {"headers": {"Host": host}}))] == [403]


@pytest.mark.parametrize(
    "origin", ["http://[", "null", "[", "http://evil.example", "//", "http://127.0.0.1:1@evil"]
)
def test_an_odd_origin_is_refused(studio, origin):
    assert [
        s for s, _ in ask(studio, ("POST", "/api/clip", {"json": CLIP, "headers": {"Origin": origin}}))
    ] == [403]


BODIES = {
    "deep list": b"[" * 60_000,
    "deep list that ends": b"[" * 500 + b"]" * 500,
    "deep objects": b'{"a":' * 10_000,
    "deep motions": json.dumps({**CLIP, "motions": [eval("[" * 90 + "]" * 90)]}).encode(),
    "not a number": json.dumps({**CLIP, "fps": float("nan")}).encode(),
    "infinity in a motion": json.dumps(
        {**CLIP, "motions": [{"name": "zoom_in", "zoom": float("inf")}]}
    ).encode(),
    "many motions joined": json.dumps({**CLIP, "motions": ["+".join(["zoom_in"] * 5000)]}).encode(),
    "many digits": json.dumps({**CLIP, "seed": 0}).replace('"seed": 0', f'"seed": {"9" * 5000}').encode(),
    "a number as motion": json.dumps({**CLIP, "motions": [7]}).encode(),
    "a lone surrogate": json.dumps({**CLIP, "motions": ["\ud800"]}).encode(),
    "not UTF-8": b"\xff\xfe\x00",
    "no JSON": b"<xml/>",
    "too long": b'"' + b"a" * 100_000 + b'"',
    "a list": b"[]",
}


@pytest.mark.parametrize("path", ["/api/clip", "/api/draws"])
@pytest.mark.parametrize("kind", BODIES)
def test_an_odd_body_is_one_line(studio, kind, path):
    assert [status for status, _ in ask(studio, ("POST", path, {"data": BODIES[kind]}))] == [400]


def test_the_deepest_request_that_is_read_is_far_below_what_python_can_walk():
    assert MAX_DEPTH < 100


UPLOADS = {
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
    "XML comments": b"<!---->" * 40 + b"x",
    "PDF": b"%PDF-1.4\n",
    "a Photoshop file": b"8BPS\x00\x01" + bytes(100),
    "an icon": b"\x00\x00\x01\x00\x01\x00" + bytes(100),
    "a PNG of 4 gigapixels": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01\x00\x00\x00\x01\x00\x00\x08\x02\x00\x00\x00"
    + bytes(99),
    "nothing": b"",
}


@pytest.mark.parametrize("kind", UPLOADS)
def test_a_dropped_file_of_another_kind_is_refused(studio, kind):
    answers = ask(studio, ("POST", "/api/pictures?name=a.png", {"data": UPLOADS[kind]}))
    assert [status for status, _ in answers] == [400]


def test_a_bug_is_logged_in_one_line_and_the_server_goes_on(studio, monkeypatch, caplog):
    def bug(*arguments):
        raise KeyError("a bug")

    monkeypatch.setattr("preview.studio.motions.clip.make_studio_clip", bug)
    assert ask(studio, ("POST", "/api/clip", {"json": CLIP})) == [(500, "the request failed: KeyError")]
    assert caplog.messages == ["POST '/api/clip': KeyError: 'a bug'"]


@pytest.mark.parametrize("path", ["/api/draws?count=1", "/api/save?as=gif", "/api/save?as=mp4"])
def test_a_speed_that_no_animation_has_is_refused(studio, path):
    answers = ask(studio, ("POST", path, {"json": {**CLIP, "fps": 1e-300}}))
    assert answers == [(400, "fps = 1e-300: an animation shows at least 0.002 frames a second")]


@pytest.mark.parametrize(
    ("column", "values", "status"),
    [("bytes", [2**63 - 1, -(2**63)], 200), ("zoom", [np.nan, np.inf], 200), ("caption", [5, 6], 400)],
)
def test_an_overview_of_odd_numbers_or_types_is_answered(tmp_path, column, values, status):
    output = build_output(tmp_path / "foreign", shards=1, each=2)
    table = pq.read_table(f"{output}/samples.parquet")
    odd = table.set_column(table.column_names.index(column), column, pa.array(values))
    pq.write_table(odd, f"{output}/samples.parquet")

    async def run():
        studio = Studio(PictureBook([]), (OutputView(output),))
        async with TestClient(TestServer(make_app(studio))) as client:
            response = await client.get("/api/outputs/0/overview")
            return response.status, await response.text()

    found, text = asyncio.run(run())
    assert found == status
    assert status == 200 or "samples.parquet: a damaged table: its column caption is int64" in text
