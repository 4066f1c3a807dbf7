import io
import json
from pathlib import Path

import yaml
from PIL import Image
from studio_requests import CLIP, ask, get, post

from preview.studio.pictures import MAX_UPLOAD, PictureBook
from preview.studio.state import Studio
from preview.studio.studio import SAMPLES


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
    assert yaml.safe_load(answer["yaml"])["source"]["uri"] == "my dog.png"


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


def test_links_out_of_a_given_folder_are_not_shown(pictures, tmp_path, make_picture):
    outside = tmp_path / "outside.png"
    Image.fromarray(make_picture(100, 100)).save(outside)
    (pictures / "link.png").symlink_to(outside)
    assert [p.name for p in PictureBook([str(pictures)]).given] == ["Cat 0.png", "Cat 1.png"]
    assert [p.name for p in PictureBook([str(outside)]).given] == ["outside.png"]


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
