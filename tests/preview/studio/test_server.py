import asyncio
import json
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from studio_requests import CLIP, ask, get, post

import preview
from preview.studio.pictures import PictureBook
from preview.studio.server import make_app
from preview.studio.state import Studio

FOLDER = Path(preview.__file__).parent / "assets" / "studio"


ASSETS = [
    str(path.relative_to(FOLDER)) for kind in ("js", "css") for path in sorted(FOLDER.rglob(f"*.{kind}"))
]


def test_page_and_assets_name_no_other_site(pictures):
    studio = Studio(PictureBook([str(pictures)]))
    paths = [
        "/",
        *(
            f"/assets/{name}"
            for name in ("studio.js", "motions/motions.js", "shards/shards.js", "studio.css", "theme.css")
        ),
    ]
    for status, body, headers in ask(studio, *[("GET", path, {}) for path in paths]):
        assert status == 200
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert b"http://www.w3.org/2000/svg" in body or b"://" not in body


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"picture": "../../etc/passwd"}, 404, "no longer here"),
        ({"motions": ["zoom_inn"]}, 400, "nearest is zoom_in"),
        ({"motions": [{"name": "zoom_in", "zoom": 99}]}, 400, "1 to 8 x"),
        ({"motions": ["os:system"]}, 400, "built-in"),
        ({"motions": [{"name": "zoom_in+os:system"}]}, 400, "built-in"),
        ({"motions": [7]}, 400, "motion"),
        ({"frames": 100000}, 400, "frames"),
        ({"frames": 120, "width": 1024, "height": 1024}, 400, "too much"),
        ({"fps": 0}, 400, "fps"),
        ({"what": 1}, 400, "unknown field"),
    ],
)
def test_bad_requests_are_told_in_one_line(pictures, change, status, words):
    got, answer = post(Studio(PictureBook([str(pictures)])), "/api/clip", {**CLIP, **change})
    assert got == status
    assert words in answer["error"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:7865"}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "[::1]:7865"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:7865"}, 403),
        ({"Host": "localhost", "Origin": "http://evil.example"}, 403),
        ({"Host": "localhost", "Origin": "null"}, 403),
        ({"Host": "localhost", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "localhost", "Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}, 200),
    ],
)
def test_only_this_machines_own_page_is_answered(headers, status):
    assert get(Studio(PictureBook()), "/api/state", headers=headers)[0] == status


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../studio.py",
        "/assets/%2e%2e/studio.py",
        "/assets/..%2fstudio.py",
        "/api/pictures/..%2f..%2fsecret",
        "/etc/passwd",
    ],
)
def test_no_path_leads_to_a_file(pictures, path):
    assert get(Studio(PictureBook([str(pictures)])), path)[0] in (403, 404)


def test_without_an_index_there_is_nothing_to_search():
    studio = Studio(PictureBook())
    assert json.loads(get(studio, "/api/state")[1])["search"] is False
    assert get(studio, "/api/search?text=a")[0] == 400
    assert get(studio, "/api/search/0/clip")[0] == 400


def test_several_visitors_at_a_time(pictures):
    async def run():
        async with TestClient(TestServer(make_app(Studio(PictureBook([str(pictures)]))))) as client:
            responses = await asyncio.gather(
                *(client.post("/api/clip", json={**CLIP, "seed": i % 4}) for i in range(24))
            )
            return [await response.json() for response in responses]

    answers = asyncio.run(run())
    for i, answer in enumerate(answers):
        assert answer == answers[i % 4]
    assert len({json.dumps(a["frames"]) for a in answers}) == 4


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"frames": 5000}, ["frames"]),
        ({"motions": [{"name": "zoom_in", "zoom": 99}]}, ["zoom"]),
        ({"motions": [{"name": "zoom_in+pan_left", "pan_left.distance": 99}]}, ["pan_left.distance"]),
        ({"motions": [{"name": "tilt", "hold_start": 0.6, "hold_end": 0.6}]}, ["hold_start", "hold_end"]),
        ({"frames": 999, "width": 1000}, ["frames", "width", "height"]),
        ({"motions": ["zoom_inn"]}, []),
    ],
)
def test_a_refusal_names_its_fields(pictures, change, fields):
    answer = post(Studio(PictureBook([str(pictures)])), "/api/clip", {**CLIP, **change})[1]
    assert answer["fields"] == fields
