import shlex

import numpy as np
import pytest
import yaml
from studio_requests import CLIP, post

from pipelines.config import AnimateConfig
from preview.studio.motions.recipe import only
from preview.studio.pictures import PictureBook
from preview.studio.state import Studio
from storage.configs import load_config


def test_copied_config_names_just_this_picture_and_what_was_chosen(pictures):
    config = yaml.safe_load(post(Studio(PictureBook([str(pictures)])), "/api/clip", CLIP)[1]["yaml"])
    assert config["motions"] == [{"name": "zoom_in", "zoom": 2.0}]
    assert config["clip"] == {"frames": 5, "fps": 8.0, "size": [48, 64]}
    assert list(pictures.parent.glob(config["source"]["uri"].removeprefix(f"{pictures.parent}/"))) == [
        pictures / "Cat 0.png"
    ]
    assert only("a/b*[x].jpg") == "a/b[*][[]x].jpg"


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
