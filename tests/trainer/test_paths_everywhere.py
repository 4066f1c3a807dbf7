"""Every command that takes a path says in one line, exit 2, that it cannot open an address; and does so
before it works.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from zoetrope import cli

CONFIGS = Path(__file__).parents[2] / "configs"
ANIMATE = ["animate", "--config", str(CONFIGS / "animate" / "coco.yaml")]
COCO = ["source.annotations=a.json", "source.images=i", "output=o"]
IMPORT = ["import-videos", "source.kind=csv", "source.videos=v", "source.annotations=v.csv", "output=o"]
TRAIN = ["train", "data.shards=s", "data.workers=0", "output=o", "max_steps=1"]
EVALUATE = ["evaluate", "data.shards=s", "checkpoint=c"]

# Each path of each command: {} is the address, {here} the folder of `here`.
PLACES = {
    "animate --config": ["animate", "--config", "{}"],
    "animate --runner-config": [
        "animate",
        "source.kind=folder",
        "source.uri={here}",
        "output=o",
        "--runner-config",
        "{}",
    ],
    "animate source.annotations": [*ANIMATE, *COCO, "source.annotations={}"],
    "animate source.uri": ["animate", "source.kind=tars", "source.uri={}", "output=o"],
    "animate output": ["animate", "source.kind=folder", "source.uri={here}", "output={}"],
    "retry": ["retry", "{}"],
    "validate": ["validate", "{}"],
    "preview": ["preview", "{}"],
    "preview a glob": ["preview", "{}/*.jpg"],
    "preview -o": ["preview", "{here}/p.png", "-o", "{}.gif"],
    "preview --config": ["preview", "--config", "{}", "--key", "k"],
    "studio": ["studio", "{}", "--port", "0"],
    "studio --index": ["studio", "--index", "{}", "--port", "0"],
    "import-videos --config": ["import-videos", "--config", "{}"],
    "import-videos source.videos": [*IMPORT, "source.annotations={here}/v.csv", "source.videos={}"],
    "import-videos source.annotations": [*IMPORT, "source.annotations={}"],
    "import-videos source.split_file": [*IMPORT, "source.annotations={here}/v.csv", "source.split_file={}"],
    "import-videos output": [*IMPORT, "source.videos={here}", "source.annotations={here}/v.csv", "output={}"],
    "train --config": ["train", "--config", "{}"],
    "train output": [*TRAIN, "output={}"],
    "train data.shards": [*TRAIN, "data.shards={}"],
    "train data.eval_shards": [*TRAIN, "data.shards={here}/s.tar", "data.eval_shards={}"],
    "train init": [*TRAIN, "data.shards={here}/s.tar", "init={}"],
    "train model.pretrained": [*TRAIN, "data.shards={here}/s.tar", "model.pretrained={}"],
    "evaluate --config": ["evaluate", "--config", "{}"],
    "evaluate checkpoint": [*EVALUATE, "checkpoint={}"],
    "evaluate data.shards": [*EVALUATE, "checkpoint={here}/model", "data.shards={}"],
    "convert": ["convert", "official", "{}", "-o", "{here}/out"],
    "convert -o": ["convert", "official", "{here}/p.png", "-o", "{}"],
    "index CHECKPOINT": ["index", "{}", "{here}/s.tar", "-o", "{here}/index"],
    "index SHARDS": ["index", "{here}/model", "{}", "-o", "{here}/index"],
    "index -o": ["index", "{here}/model", "{here}/s.tar", "-o", "{}"],
    "search": ["search", "{}", "a dog"],
    "search --image": ["search", "{here}/index", "--image", "{}"],
}


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    """What a command needs to come as far as the path in question."""
    import cv2
    from make_shards import write_shards
    from tiny_index import checkpoint

    from trainer.index.build import index
    from trainer.index.config import IndexSettings

    folder = tmp_path_factory.mktemp("here")
    write_shards(folder, 1, 2)
    (folder / "00000.tar").rename(folder / "s.tar")
    checkpoint(folder / "model")
    index(folder / "model", str(folder / "s.tar"), folder / "index", IndexSettings(device="cpu"))
    for name in ("p.png", "v.png"):
        cv2.imwrite(str(folder / name), np.full((64, 64, 3), 90, np.uint8))
    (folder / "p.txt").write_text("a grey square")
    (folder / "v.csv").write_text("video_id,sentence\nv,a square\n")
    (folder / "v.mp4").write_bytes(b"not looked into")
    return folder


@pytest.mark.parametrize("place", PLACES)
def test_an_unknown_scheme_is_one_line_and_exit_2(place, here, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert (
        cli.main(
            [part.replace("{here}", str(here)).replace("{}", "nowhere://bucket/x") for part in PLACES[place]]
        )
        == 2
    )
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    assert "no way to open nowhere:// addresses" in err
    assert "give a local path or gs://" in err
    assert not list(tmp_path.iterdir()), "nothing was begun"


@pytest.mark.skipif(find_spec("s3fs") is not None, reason="s3fs is installed")
@pytest.mark.parametrize("place", ["animate output", "train data.shards", "preview", "validate"])
def test_a_scheme_whose_package_is_missing_names_it(place, here, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert (
        cli.main([part.replace("{here}", str(here)).replace("{}", "s3://bucket/x") for part in PLACES[place]])
        == 2
    )
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    assert "pip install 'zoetrope[s3]'" in err


def test_gs_without_a_login_is_one_line_at_once(tmp_path):
    """Nothing leaves this machine: the proxy is a port that nobody listens on."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "NO_GCE_CHECK": "true",
        "https_proxy": "http://127.0.0.1:9",
    }
    for command in (
        ["validate", "gs://bucket/clips"],
        ["animate", "source.kind=tars", "source.uri=gs://bucket/*.tar", "output=o"],
    ):
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "zoetrope.cli", *command],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1, done.stderr
        assert "gcloud auth application-default login" in done.stderr
        assert time.monotonic() - begun < 90  # of which most is importing
