import pytest
import yaml
from studio_requests import CLIP, frames_of, post

from preview.studio.pictures import PictureBook
from preview.studio.state import Studio


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


def test_a_mix_is_drawn_and_named(pictures):
    mix = [{"name": "pan_left", "weight": 0}, {"name": "tilt", "weight": 2}]
    studio = Studio(PictureBook([str(pictures)]))
    assert post(studio, "/api/clip", {**CLIP, "motions": mix})[1]["motion"] == "tilt"
    drawn = post(studio, "/api/draws", {**CLIP, "motions": mix})[1]["draws"]
    assert [d["seed"] for d in drawn] == list(range(3, 15))
    assert {d["motion"] for d in drawn} == {"tilt"}


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


@pytest.mark.parametrize("count", ["0", "25", "x"])
def test_the_number_of_draws_is_bounded(pictures, count):
    assert post(Studio(PictureBook([str(pictures)])), f"/api/draws?count={count}", CLIP)[0] == 400
