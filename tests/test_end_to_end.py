"""From pictures and videos to search results, on a CPU: every command in turn, on a corpus that is made here.

Held out are the videos: every scene is seen in training, as an animated picture and as a video, but the
videos that are searched have the shape elsewhere, of another size, drifting another way.
"""

from __future__ import annotations

import json
from pathlib import Path

import made_corpus as corpus
import pytest

from zoetrope import cli

ROOT = Path(__file__).parents[1]
TRAIN = [
    "model.max_frames=4",
    "model.max_words=10",
    "data.workers=0",
    "global_batch_size=32",
    "save_every=10000",
    "log.every=50",
    "log.tensorboard=false",
]


VISION = "{width: 48, layers: 2, head_width: 16, patch_size: 8, image_size: 32}"
TOWERS = f"model.clip={{embed_dim: 48, vision: {VISION}, text: {{width: 48, layers: 2, heads: 3}}}}"
INTERACTION = "model.interaction={enabled: true, depth: 2, heads: 4, width: 64, top_k: 10}"
FAST = ("optim.lr_clip=2e-3", "optim.lr_new=2e-3")


def run(*arguments: object) -> None:
    assert cli.main([str(argument) for argument in arguments]) == 0


def animate(pictures: Path, output: Path) -> Path:
    settings = [
        "store=still",
        "clip.frames=4",
        "clip.size=32",
        "pictures.min_side=32",
        "shard.max_samples=64",
        "workers=1",
    ]
    run(
        "animate",
        "--config",
        ROOT / "configs/animate/folder.yaml",
        f"source.uri={pictures}",
        f"output={output}",
        *settings,
    )
    return output


def import_videos(table: Path, output: Path) -> Path:
    source = [f"source.videos={table.parent}", f"source.annotations={table}"]
    settings = [
        "frames.size=32",
        "frames.max_frames=4",
        "frames.policy=uniform",
        "shard.max_samples=64",
        "workers=1",
    ]
    run("import-videos", "--config", ROOT / "configs/import/csv.yaml", *source, f"output={output}", *settings)
    return output


def train(output: Path, shards: Path, steps: int, *settings: str) -> Path:
    config = [
        "--config",
        ROOT / "configs/train/debug.yaml",
        f"output={output}",
        f"data.shards={shards}",
        f"max_steps={steps}",
    ]
    run("train", *config, *TRAIN, TOWERS, *settings)
    return output / "last"


def evaluate(checkpoint: Path, shards: Path, *settings: str) -> dict:
    output = checkpoint.parent / "result.json"
    where = [f"checkpoint={checkpoint}", f"data.shards={shards}", f"output={output}"]
    run("evaluate", *where, "data.workers=0", "device=cpu", *settings)
    return json.loads(output.read_text())


def test_from_pictures_to_search(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    scenes = corpus.scenes(colours=6)  # 60
    clips = animate(corpus.write_pictures(tmp_path / "pictures", scenes), tmp_path / "clips")
    videos = import_videos(corpus.write_videos(tmp_path / "films", scenes), tmp_path / "videos")
    test = import_videos(corpus.write_videos(tmp_path / "unseen", scenes, seed=90_000), tmp_path / "test")

    untrained = train(tmp_path / "untrained", clips, 1, "optim.lr_clip=0", "optim.lr_new=0")
    assert evaluate(untrained, test)["coarse"]["t2v"]["R1"] <= 8  # chance: 1.7
    pretrained = train(tmp_path / "pretrain", clips, 110, INTERACTION, *FAST)
    tuned = train(tmp_path / "finetune", videos, 50, INTERACTION, *FAST, f"init={pretrained}")
    result = evaluate(tuned, test)
    assert (result["videos"], result["dropped"]) == (len(scenes), [])
    assert result["coarse"]["t2v"]["R1"] > 80
    assert result["reranked"]["t2v"]["R1"] >= result["coarse"]["t2v"]["R1"]

    run("index", tuned, test, "-o", tmp_path / "index", "--device", "cpu")
    capsys.readouterr()
    page = tmp_path / "result.html"
    found = 0
    for scene in scenes[::6]:
        run("search", tmp_path / "index", scene.caption, "--json", "--html", page, "--device", "cpu")
        hits = json.loads(capsys.readouterr().out)["hits"]
        found += hits[0]["captions"] == [scene.caption]
    assert found >= 8
    assert page.read_text().count("data:image/webp") >= 10


def test_re_ranking_helps_where_the_dual_encoder_is_weak(tmp_path: Path) -> None:
    """ "red then blue" and "blue then red": mean pooling cannot tell a video from its reverse, the interaction
    module can.
    """
    pairs = corpus.changes(colours=6)
    videos = import_videos(
        corpus.write_changes(tmp_path / "films", pairs, each=4, seed=0), tmp_path / "videos"
    )
    test = import_videos(corpus.write_changes(tmp_path / "unseen", pairs, each=1, seed=1), tmp_path / "test")
    mean_pooling = ["model.sim_type=meanP", "model.center_type="]
    model = train(tmp_path / "run", videos, 200, INTERACTION, *mean_pooling)
    result = evaluate(model, test)
    assert result["coarse"]["t2v"]["R1"] < 70
    assert result["coarse"]["t2v"]["R5"] > 95  # the colours it knows
    assert result["reranked"]["t2v"]["R1"] > result["coarse"]["t2v"]["R1"] + 20
