import asyncio
import base64
import io
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image

import preview
from pipelines.config import AnimateConfig
from preview.show.animation import decode_webp
from preview.studio.motions.recipe import only
from preview.studio.outputs.view import OutputView
from preview.studio.pictures import MAX_UPLOAD, PictureBook
from preview.studio.server import make_app
from preview.studio.state import Studio
from preview.studio.studio import SAMPLES
from schemas.errors import ConfigError
from storage.configs import load_config
from transforms.clip import ClipConfig
from transforms.motions import built_in_motions

FOLDER = Path(preview.__file__).parent / "assets" / "studio"
ASSETS = [
    str(path.relative_to(FOLDER)) for kind in ("js", "css") for path in sorted(FOLDER.rglob(f"*.{kind}"))
]


@pytest.fixture
def pictures(tmp_path, make_picture):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(2):
        Image.fromarray(make_picture(120, 160, i)).save(folder / f"Cat {i}.png")
    return folder


def ask(studio, *requests):
    """Each request is (method, path, keywords); gives a list of (status, body, headers)."""

    async def run():
        async with TestClient(TestServer(make_app(studio))) as client:
            answers = []
            for method, path, keywords in requests:
                response = await client.request(method, path, **keywords)
                answers.append((response.status, await response.read(), response.headers))
            return answers

    return asyncio.run(run())


def get(studio, path, **keywords):
    return ask(studio, ("GET", path, keywords))[0]


def post(studio, path, values):
    status, body, _ = ask(studio, ("POST", path, {"json": values}))[0]
    return status, json.loads(body)


CLIP = {
    "picture": "p0",
    "motions": [{"name": "zoom_in", "zoom": 2.0}],
    "seed": 3,
    "frames": 5,
    "width": 64,
    "height": 48,
}


def frames_of(answer):
    return np.stack([np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in answer["frames"]])


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


def test_state_lists_every_motion_with_units_and_ranges(pictures):
    state = json.loads(get(Studio(PictureBook([str(pictures)])), "/api/state")[1])
    assert [m["name"] for m in state["motions"]] == [
        name for name in built_in_motions() if name != "keyframes"
    ]
    zoom = state["motions"][1]["parameters"][0]
    assert (zoom["name"], zoom["low"], zoom["high"], zoom["unit"]) == ("zoom", 1.0, 8.0, "x")
    assert [p["name"] for p in state["pictures"]] == ["Cat 0.png", "Cat 1.png"]


def test_clip_follows_its_request(pictures):
    studio = Studio(PictureBook([str(pictures)]))
    status, answer = post(studio, "/api/clip", CLIP)
    assert status == 200
    assert frames_of(answer).shape == (5, 48, 64, 3)
    assert answer["parameters"]["zoom"] == 2.0
    assert answer["curves"]["zoom"][-1] / answer["curves"]["zoom"][0] == pytest.approx(2.0, abs=1e-3)
    again, other = post(studio, "/api/clip", CLIP)[1], post(studio, "/api/clip", {**CLIP, "seed": 4})[1]
    assert again == answer
    assert other["frames"] != answer["frames"]


def test_copied_config_names_just_this_picture_and_what_was_chosen(pictures):
    config = yaml.safe_load(post(Studio(PictureBook([str(pictures)])), "/api/clip", CLIP)[1]["yaml"])
    assert config["motions"] == [{"name": "zoom_in", "zoom": 2.0}]
    assert config["clip"] == {"frames": 5, "fps": 8.0, "size": [48, 64]}
    assert list(pictures.parent.glob(config["source"]["uri"].removeprefix(f"{pictures.parent}/"))) == [
        pictures / "Cat 0.png"
    ]
    assert only("a/b*[x].jpg") == "a/b[*][[]x].jpg"


def test_a_mix_is_drawn_and_named(pictures):
    mix = [{"name": "pan_left", "weight": 0}, {"name": "tilt", "weight": 2}]
    studio = Studio(PictureBook([str(pictures)]))
    assert post(studio, "/api/clip", {**CLIP, "motions": mix})[1]["motion"] == "tilt"
    drawn = post(studio, "/api/draws", {**CLIP, "motions": mix})[1]["draws"]
    assert [d["seed"] for d in drawn] == list(range(3, 15))
    assert {d["motion"] for d in drawn} == {"tilt"}


def test_a_dropped_picture_is_shown_and_known_to_its_visitor_alone(pictures, make_picture):
    out = io.BytesIO()
    Image.fromarray(make_picture(90, 100)).save(out, "PNG")
    studio = Studio(PictureBook())
    upload = ("POST", "/api/pictures?name=..%2F..%2Fmy%20dog.png", {"data": out.getvalue()})
    dropped = json.loads(ask(studio, upload)[0][1])
    assert dropped["name"] == "my dog.png"
    assert len(dropped["id"]) >= 20
    studio.pool = Studio(PictureBook()).pool
    assert json.loads(get(studio, "/api/state")[1])["pictures"] == []
    answer = post(studio, "/api/clip", {**CLIP, "picture": dropped["id"]})[1]
    assert answer["key"] == "folder-00000000-my-dog"
    assert yaml.safe_load(answer["yaml"])["source"]["uri"] == "[m]y dog.png"


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


def test_uploads_are_capped_and_checked():
    studio = Studio(PictureBook())
    large, text = ask(
        studio,
        ("POST", "/api/pictures", {"data": bytes(MAX_UPLOAD + 2048)}),
        ("POST", "/api/pictures?name=a.jpg", {"data": b"no picture"}),
    )
    assert large[0] == 413
    assert text[0] == 400
    assert b"a.jpg" in text[1]


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


def test_links_out_of_a_given_folder_are_not_shown(pictures, tmp_path, make_picture):
    outside = tmp_path / "outside.png"
    Image.fromarray(make_picture(100, 100)).save(outside)
    (pictures / "link.png").symlink_to(outside)
    assert [p.name for p in PictureBook([str(pictures)]).given] == ["Cat 0.png", "Cat 1.png"]
    assert [p.name for p in PictureBook([str(outside)]).given] == ["outside.png"]


def test_shards_are_paged_and_filtered(output):
    studio = Studio(PictureBook(), [OutputView(output)])
    page = json.loads(get(studio, "/api/outputs/0/page?start=5&count=4")[1])
    assert page["total"] == 12
    assert [row["key"] for row in page["rows"]] == [f"{i:07d}" for i in range(5, 9)]
    assert [row["position"] for row in page["rows"]] == [5, 6, 7, 8]


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("caption=NUMBER%201", [1, 10, 11]),
        ("motion=zoom_in", [0, 2, 3, 5, 6, 8, 9, 11]),
        ("motion=rotate_cw%2Bzoom_in", [2, 5, 8, 11]),
        ("motion=zoom_in&caption=number%203", [3]),
        ("source=coco", []),
        ("caption=.*", []),
    ],
)
def test_filters(output, query, keys):
    studio = Studio(PictureBook(), [OutputView(output)])
    rows = json.loads(get(studio, f"/api/outputs/0/page?{query}&count=100")[1])["rows"]
    assert [int(row["key"]) for row in rows] == keys


@pytest.mark.parametrize("store", ["frames", "still"])
def test_clips_move_and_tell_their_story(tmp_path, make_output, store):
    studio = Studio(PictureBook(), [OutputView(make_output(tmp_path / "clips", store=store))])
    clip, still, details, missing = ask(
        studio,
        ("GET", "/api/outputs/0/clip?position=7", {}),
        ("GET", "/api/outputs/0/clip?position=7&still=1", {}),
        ("GET", "/api/outputs/0/details?position=7", {}),
        ("GET", "/api/outputs/0/clip?position=12", {}),
    )
    with Image.open(io.BytesIO(clip[1])) as image:
        assert (image.n_frames, image.size) == (4, (64, 48))
    with Image.open(io.BytesIO(still[1])) as image:
        assert getattr(image, "n_frames", 1) == 1
    assert json.loads(details[1])["key"] == "0000007"
    assert len(json.loads(details[1])["quads"]) == 4
    assert missing[0] == 400


def test_overview_counts(output):
    values = json.loads(get(Studio(PictureBook(), [OutputView(output)]), "/api/outputs/0/overview")[1])
    assert (values["samples"], values["shards"], values["failed"]) == (12, 3, 6)
    assert values["motions"] == {"zoom_in": 4, "pan_left": 4, "rotate_cw+zoom_in": 4}
    assert [(f["reason"], f["count"]) for f in values["failures"]] == [("http_404", 5), ("corrupt", 1)]


@pytest.mark.parametrize("name", ["../secret.tar", "/etc/passwd", "sub/00000.tar", "link.tar"])
def test_a_table_cannot_lead_out_of_its_folder(tmp_path, make_output, name):
    import pyarrow as pa
    import pyarrow.parquet as pq

    output = make_output(tmp_path / "clips")
    (tmp_path / "secret.tar").write_bytes((tmp_path / "clips" / "00000.tar").read_bytes())
    (tmp_path / "clips" / "link.tar").symlink_to(tmp_path / "secret.tar")
    table = pq.read_table(f"{output}/samples.parquet")
    table = table.set_column(1, "shard", pa.array([name] * table.num_rows))
    pq.write_table(table, f"{output}/samples.parquet")
    assert get(Studio(PictureBook(), [OutputView(output)]), "/api/outputs/0/clip?position=0")[0] == 400


def test_a_folder_that_is_no_output_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"samples\.parquet"):
        OutputView(str(tmp_path))


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


def test_a_clip_that_keeps_its_subject_in_view_names_the_focus_in_its_config(pictures):
    studio = Studio(PictureBook([str(pictures)]))
    free = post(studio, "/api/clip", {**CLIP, "motions": ["pan_left"]})[1]
    kept = [
        post(studio, "/api/clip", {**CLIP, "motions": ["pan_left"], "focus": "subject", "seed": s})[1]
        for s in range(6)
    ]
    assert yaml.safe_load(free["yaml"])["motions"] == ["pan_left"]
    assert yaml.safe_load(kept[0]["yaml"])["motions"] == {"focus": "subject", "mix": ["pan_left"]}
    plain = [post(studio, "/api/clip", {**CLIP, "motions": ["pan_left"], "seed": s})[1] for s in range(6)]
    assert [clip["quads"] for clip in kept] != [clip["quads"] for clip in plain]
    drawn = post(studio, "/api/draws", {**CLIP, "motions": ["pan_left"], "focus": "subject"})[1]["draws"]
    assert len(drawn) == 12


def test_the_limits_of_the_page_are_those_of_the_job(pictures):
    limits = json.loads(get(Studio(PictureBook([str(pictures)])), "/api/state")[1])["limits"]
    for name in ("frames", "fps"):
        for value in (limits[name]["high"], limits[name]["low"] or 0.01):
            ClipConfig.make({name: value})
        with pytest.raises(ConfigError):
            ClipConfig.make({name: limits[name]["high"] + 1})
    assert ClipConfig.make({"size": (limits["height"]["low"], limits["width"]["high"])})
    at_the_limits = {
        "frames": 1,
        "fps": limits["fps"]["high"],
        "width": limits["width"]["high"],
        "height": 16,
    }
    assert post(Studio(PictureBook([str(pictures)])), "/api/clip", {**CLIP, **at_the_limits})[0] == 200


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


def test_presets_can_be_drawn_and_name_what_is_there(pictures):
    studio = Studio(PictureBook([str(pictures)]))
    presets = json.loads(get(studio, "/api/state")[1])["presets"]
    assert len({preset["name"] for preset in presets}) == len(presets) >= 5
    for preset in presets:
        wanted = {**CLIP, "motions": preset["motions"], "focus": preset["focus"]}
        assert post(studio, "/api/clip", wanted)[0] == 200, preset["name"]


@pytest.mark.parametrize("kind", ["gif", "webp", "mp4", "png"])
def test_a_saved_clip_has_the_frames_of_the_page(pictures, kind):
    studio = Studio(PictureBook([str(pictures)]))
    wanted = {**CLIP, "frames": 3}
    status, body, headers = ask(studio, ("POST", f"/api/save?as={kind}", {"json": wanted}))[0]
    assert status == 200
    assert headers["Content-Disposition"] == f'attachment; filename="clip.{kind}"'
    if kind == "webp":
        frames_THWC, _ = decode_webp(body)
        np.testing.assert_array_equal(frames_THWC, frames_of(post(studio, "/api/clip", wanted)[1]))
    elif kind != "mp4":
        with Image.open(io.BytesIO(body)) as image:
            assert getattr(image, "n_frames", 1) == (3 if kind == "gif" else 1)


@pytest.mark.parametrize(
    ("query", "change", "words"),
    [
        ("as=exe", {}, "gif, webp, mp4, png"),
        ("", {}, "gif, webp, mp4, png"),
        ("as=gif", {"fps": 120}, "a GIF plays at most 50"),
        ("as=gif", {"frames": 999, "width": 999, "height": 999}, "too much"),
    ],
)
def test_a_clip_that_cannot_be_saved_is_one_line(pictures, query, change, words):
    status, answer = post(Studio(PictureBook([str(pictures)])), f"/api/save?{query}", {**CLIP, **change})
    assert status == 400
    assert words in answer["error"]


MIX = [{"name": "pan_left", "weight": 0.5}, {"name": "tilt", "weight": 2}]


@pytest.mark.parametrize("motions", [[{"name": "pan_left+crop_jitter", "pan_left.distance": 0.2}], MIX])
def test_the_command_line_is_read_as_the_config(pictures, motions):
    texts = post(Studio(PictureBook([str(pictures)])), "/api/clip", {**CLIP, "motions": motions})[1]["texts"]
    command = texts["command"].partition("\n")[2].replace("\\\n", " ")
    program, name, *words = shlex.split(command)
    assert (program, name) == ("zoetrope", "animate")
    from_words = load_config(AnimateConfig, None, words)
    assert from_words == AnimateConfig.make(yaml.safe_load(texts["config"]))
    assert [e["name"] for e in yaml.safe_load(texts["motions"])["motions"]] == [m["name"] for m in motions]


@pytest.mark.parametrize("focus", ["any", "subject"])
def test_the_python_text_makes_the_same_path(pictures, focus, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    wanted = {**CLIP, "motions": [{"name": "ken_burns+crop_jitter", "zoom": 1.3}], "focus": focus}
    answer = post(Studio(PictureBook([str(pictures)])), "/api/clip", wanted)[1]
    made: dict = {}
    exec(answer["texts"]["python"], made)
    quads = made["shown"].clips[0].trajectory.quads_T42
    np.testing.assert_allclose(quads, answer["quads"], atol=1e-6)
    assert (tmp_path / "clip.gif").exists()


def test_a_dropped_picture_is_found_again_by_its_address_alone(pictures):
    studio = Studio(PictureBook([str(pictures)]))
    assert json.loads(get(studio, "/api/pictures/p1/about")[1]) == {"id": "p1", "name": "Cat 1.png"}
    assert get(studio, "/api/pictures/p9/about")[0] == 404


def test_the_sample_photographs_open_and_have_captions():
    book = PictureBook([str(SAMPLES)], samples=True)
    assert len(book.given) >= 3
    for picture in book.given:
        assert min(book.size(picture.id)) >= 224
        assert Path(picture.uri).with_suffix(".txt").read_text().strip()


@pytest.mark.parametrize("count", ["0", "25", "x"])
def test_the_number_of_draws_is_bounded(pictures, count):
    assert post(Studio(PictureBook([str(pictures)])), f"/api/draws?count={count}", CLIP)[0] == 400
