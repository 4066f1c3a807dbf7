"""Every path of every command on gs://, by the command itself; checkpoints, killed and hit by faults, are
whole or not there.

The jobs' own sources and outputs are in test_gcs.py.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml
from gcs_server import SERVER, Fault, Gcs
from waiting import wait_until
from warm import Command

from storage.write import remove_file, write_bytes

pytestmark = [
    pytest.mark.gcs,
    pytest.mark.skipif(
        not SERVER.exists(), reason=f"no {SERVER.name}: `make test-gcs` builds it where Go is at hand"
    ),
]
TESTS = Path(__file__).parents[1]
STEPS = 6
UPLOAD = ("PUT|POST", "/upload/")


@pytest.fixture(scope="module")
def source(gcs: Gcs, tmp_path_factory: pytest.TempPathFactory) -> str:
    """gs://.../src with photos, COCO, shards, videos, a checkpoint, plain CLIP weights, and a config of every
    command.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TESTS / "trainer"))
        patch.syspath_prepend(str(TESTS))
        import torch
        from made_videos import make_video
        from make_shards import write_shards
        from tiny_index import checkpoint
        from tiny_run import tiny_values

    from trainer.model.io import load_model
    from zoetrope.samples import write_coco, write_folder

    base, uri = tmp_path_factory.mktemp("src"), "gs://corpus/src"
    write_folder(base / "photos", 4, long_side=200)
    write_coco(base / "coco", 4, long_side=200)
    write_shards(base / "shards", 2, 8)
    checkpoint(base / "model")
    torch.save(load_model(base / "model").clip.state_dict(), base / "clip.pt")
    for colour in ("red", "green"):
        make_video(base / "videos" / f"{colour}.mp4", colour=colour)
    (base / "videos.csv").write_text("video_id,sentence\nred,a red square\ngreen,a green one\n")
    shards = {"shards": f"{uri}/shards", "workers": 0}
    clip = {"clip": {"size": 64, "frames": 4}, "shard": {"max_samples": 2}, "workers": 1}
    coco = {
        "kind": "coco",
        "annotations": f"{uri}/coco/captions_train2017.json",
        "images": f"{uri}/coco/train2017",
    }
    table = {"kind": "csv", "videos": f"{uri}/videos", "annotations": f"{uri}/videos.csv"}
    run = tiny_values(
        Path("-"), Path("-"), max_steps=STEPS, save_every=2, eval_every=2, log={"tensorboard": True}
    )
    configs = {
        "animate": {"source": coco, **clip, "output": "gs://corpus/out/coco"},
        "import": {"source": table, "workers": 1, "output": "gs://corpus/out/videos"},
        "evaluate": {"checkpoint": f"{uri}/model", "data": shards, "device": "cpu"},
        "train": {**run, "output": "gs://corpus/runs/a", "data": {**shards, "eval_shards": f"{uri}/shards"}},
        "runner": {"runner": "FnApiRunner"},
    }
    for name, values in configs.items():
        (base / f"{name}.yaml").write_text(yaml.safe_dump(values))
    return gcs.put_folder(base, "src")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In an empty folder, which must not hold a folder `gs:` afterwards."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    yield
    assert not Path("gs:").exists()


def zoetrope(*arguments: str, code: int = 0) -> None:
    from zoetrope import cli

    assert cli.main(list(arguments)) == code


def content(gcs: Gcs, uri: str) -> bytes:
    return gcs.objects(uri.removeprefix("gs://corpus/"))[uri]


def losses(gcs: Gcs, run: str) -> dict[int, float]:
    lines = content(gcs, f"{run}/metrics.jsonl").decode().splitlines()
    return {record["step"]: record["loss"] for record in map(json.loads, lines) if "loss" in record}


def checkpoints(gcs: Gcs, run: str) -> dict[str, set[str]]:
    """Step -> names in it, of those that have a config.json, which is what makes them count."""
    found: dict[str, set[str]] = {}
    for name in gcs.names(run.removeprefix("gs://corpus/") + "/step_"):
        step, _, inner = name.partition("/step_")[2].partition("/")
        found.setdefault(step, set()).add(inner)
    return {step: names for step, names in found.items() if "config.json" in names}


WHOLE = {
    "config.json",
    "metrics.json",
    "versions.json",
    "model.safetensors",
    "state/run.json",
    "state/tensors.safetensors",
}


def test_jobs_with_configs_on_gs(gcs, source):
    zoetrope("animate", "--config", f"{source}/animate.yaml", "--runner-config", f"{source}/runner.yaml")
    zoetrope("retry", "gs://corpus/out/coco")
    zoetrope("validate", "gs://corpus/out/coco")
    zoetrope("import-videos", "--config", f"{source}/import.yaml")
    zoetrope("validate", "gs://corpus/out/videos")
    assert gcs.names("out/coco/report.html")


def test_previews_from_and_to_gs(gcs, source):
    zoetrope("preview", f"{source}/photos/*.jpg", "-o", "sheet.gif")
    assert Path("sheet.gif").read_bytes()[:4] == b"GIF8"
    key = f"coco-{sorted(gcs.names('src/coco/train2017/'))[0].rpartition('/')[2].removesuffix('.jpg')}"
    zoetrope("preview", "--config", f"{source}/animate.yaml", "--key", key, "-o", "gs://corpus/out/key.gif")
    assert content(gcs, "gs://corpus/out/key.gif")[:4] == b"GIF8"


def test_weights_converted_indexed_searched_and_measured(gcs, source, capsys):
    converted, index = "gs://corpus/converted", "gs://corpus/index"
    zoetrope(
        "convert",
        "clip",
        f"{source}/clip.pt",
        "-o",
        converted,
        "--max_frames",
        "4",
        "--max_words",
        "16",
        "--exact-gelu",
    )
    zoetrope(
        "evaluate",
        "--config",
        f"{source}/evaluate.yaml",
        f"checkpoint={converted}",
        "output=gs://corpus/out/result.json",
    )
    assert json.loads(content(gcs, "gs://corpus/out/result.json"))["videos"] == 16
    zoetrope("index", f"{source}/model", f"{source}/shards/*.tar", "-o", index)
    assert "16 clips of 2 shards indexed" in capsys.readouterr().out
    zoetrope("index", f"{source}/model", f"{source}/shards/*.tar", "-o", index)
    assert "0 shards indexed; already there: 2 shards" in capsys.readouterr().out
    zoetrope("search", index, "a red square", "--html", "gs://corpus/out/found.html")
    zoetrope("search", index, "--image", f"{source}/photos/astronaut.jpg", "--html", "found.html")
    for page in (content(gcs, "gs://corpus/out/found.html").decode(), Path("found.html").read_text()):
        assert page.count("data:image/webp") >= 20  # the clips' frames, from shards on gs://


def test_an_index_upload_that_was_cut_off_is_made_again(gcs, source, capsys):
    index = "gs://corpus/cut-index"
    zoetrope("index", f"{source}/model", f"{source}/shards/00000.tar", "-o", index)
    with gcs.faults(Fault("403", *UPLOAD, times=100)):
        zoetrope("index", f"{source}/model", f"{source}/shards", "-o", index, code=1)
    capsys.readouterr()
    zoetrope("index", f"{source}/model", f"{source}/shards", "-o", index)
    assert "8 clips of 1 shard indexed; already there: 1 shard" in capsys.readouterr().out


def test_one_index_command_at_a_time_on_gs(gcs, source, capsys):
    import threading

    from schemas.errors import ConfigError
    from trainer.index.lock import writing

    index = "gs://corpus/locked-index"
    command = ["index", f"{source}/model", f"{source}/shards", "-o", index]
    begin, end, told = threading.Barrier(4, timeout=240), threading.Barrier(4, timeout=240), []

    def run() -> None:
        begin.wait()
        try:
            with writing(index):
                told.append("held")
                end.wait()
        except ConfigError:
            told.append("refused")
            end.wait()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["held", "refused", "refused", "refused"]
    with writing(index, beat=0.2):
        written = content(gcs, f"{index}/.lock")
        wait_until(lambda: content(gcs, f"{index}/.lock") != written)
        zoetrope(*command, code=2)
        assert "another `zoetrope index` is writing there" in capsys.readouterr().err
    assert gcs.names("locked-index/") == []
    lost = Fault("lost", "POST", "/upload/")
    with gcs.faults(lost):  # the lock was made, but nobody said so: it is ours all the same
        zoetrope(*command)
    assert lost.hits == 1
    assert not [name for name in gcs.names("locked-index/") if name.endswith(".lock")]


def test_an_index_on_gs_forgets_and_notices(gcs, source, tmp_path, capsys):
    clips, index = "gs://corpus/some/clips", "gs://corpus/some/index"
    both = [content(gcs, f"{source}/shards/0000{i}.tar").ljust(81920, b"\0") for i in (0, 1)]
    for i in (0, 1):
        write_bytes(f"{clips}/{i}.tar", both[i])
    command = ["index", f"{source}/model", clips, "-o", index]
    zoetrope(*command)
    zoetrope(*command)
    assert "0 shards indexed; already there: 2 shards" in capsys.readouterr().out
    write_bytes(f"{clips}/0.tar", both[1])  # of the same size
    remove_file(f"{clips}/1.tar")
    zoetrope(*command)
    out, error = capsys.readouterr()
    assert "8 clips of 1 shard indexed; already there: 0 shards" in out
    assert "1 indexed shards are no longer there, --prune forgets them: gs://corpus/some/clips/1.tar" in error
    zoetrope(*command, "--prune")
    assert "1 shards that are no longer there forgotten" in capsys.readouterr().out
    assert len([name for name in gcs.names("some/index/parts/") if name.endswith("part.json")]) == 1


def test_a_run_on_gs_is_the_run_on_a_disk(gcs, source, tmp_path):
    run = "gs://corpus/runs/plain"
    zoetrope("train", "--config", f"{source}/train.yaml", f"output={run}")
    zoetrope("train", "--config", f"{source}/train.yaml", f"output={tmp_path}/run")
    local = tmp_path / "run"
    assert (
        content(gcs, f"{run}/last").decode().strip() == (local / "last").resolve().name == f"step_{STEPS:08d}"
    )
    assert content(gcs, f"{run}/best").decode().strip() == (local / "best").resolve().name
    steps = {path.name.removeprefix("step_") for path in local.glob("step_*")}
    assert checkpoints(gcs, run) == dict.fromkeys(steps, WHOLE)
    for name in (f"step_{STEPS:08d}/model.safetensors", f"step_{STEPS:08d}/state/tensors.safetensors"):
        assert content(gcs, f"{run}/{name}") == (local / name).read_bytes()
    assert set(losses(gcs, run)) == set(range(1, STEPS + 1))
    assert [name for name in gcs.names("runs/plain/tensorboard/") if "tfevents" in name]
    zoetrope("evaluate", "--config", f"{source}/evaluate.yaml", f"checkpoint={run}/best")
    start = [f"init={run}/last", "output=gs://corpus/runs/next", "max_steps=1"]
    zoetrope("train", "--config", f"{source}/train.yaml", *start)
    assert set(checkpoints(gcs, "gs://corpus/runs/next")) == {"00000001"}


def test_a_run_goes_on_from_gs_only_if_asked(gcs, source, capsys):
    run = "gs://corpus/runs/refused"
    zoetrope("train", "--config", f"{source}/train.yaml", f"output={run}", "max_steps=1")
    zoetrope("train", "--config", f"{source}/train.yaml", f"output={run}", "max_steps=1", code=2)
    assert f"output={run} holds a run up to step_00000001: set resume=true" in capsys.readouterr().err


FAULTS = {
    "503": [Fault("503", *UPLOAD, skip=2, times=3)],
    "reset": [Fault("reset", *UPLOAD, skip=2, times=3)],
    "lost": [Fault("lost", *UPLOAD, skip=2, times=3)],
    "deletes": [Fault("503", "DELETE", times=2), Fault("lost", "DELETE", times=1)],
    "reads": [Fault("cut", "GET", "alt=media", times=2), Fault("503", "GET", times=2)],
}


@pytest.mark.parametrize("name", FAULTS)
def test_checkpoints_ride_faults_out(gcs, source, name):
    run = f"gs://corpus/runs/fault-{name}"
    with gcs.faults(*FAULTS[name]):
        zoetrope(
            "train", "--config", f"{source}/train.yaml", f"output={run}", "keep=1", "data.eval_shards=null"
        )
        zoetrope(
            "train",
            "--config",
            f"{source}/train.yaml",
            f"output={run}",
            "keep=1",
            "data.eval_shards=null",
            "resume=true",
        )
    assert checkpoints(gcs, run) == {f"{STEPS:08d}": WHOLE}
    assert set(losses(gcs, run)) == set(range(1, STEPS + 1))


def test_a_store_that_refuses_a_checkpoint_is_one_line(gcs, source, capsys):
    run = "gs://corpus/runs/full"
    command = [
        "train",
        "--config",
        f"{source}/train.yaml",
        f"output={run}",
        "data.eval_shards=null",
        "resume=true",
    ]
    with gcs.faults(Fault("403", "PUT|POST", "/upload/", skip=12, times=1000)):
        zoetrope(*command, code=1)
    told = [line for line in capsys.readouterr().err.splitlines() if "no checkpoint could be written" in line]
    assert len(told) == 1
    assert all(names == WHOLE for names in checkpoints(gcs, run).values())
    zoetrope(*command)
    assert set(losses(gcs, run)) == set(range(1, STEPS + 1))


def test_a_killed_trainer_leaves_whole_checkpoints_and_goes_on_with_the_same_losses(gcs, source, tmp_path):
    command = ["train", "--config", f"{source}/train.yaml", "data.eval_shards=null"]
    command += ["save_every=1", "max_steps=12", "keep=3"]
    whole, cut = "gs://corpus/runs/undisturbed", "gs://corpus/runs/killed"
    zoetrope(*command, f"output={whole}")
    seen: set[str] = set()
    for _ in range(2):  # twice, wherever it happens to be
        begun = len(seen)
        job = Command([*command, f"output={cut}", "resume=true"], tmp_path / "log")
        while len(seen) < begun + 3 and job.poll() is None:
            seen |= set(checkpoints(gcs, cut))
            time.sleep(0.02)
        job.kill()
        job.communicate()
        assert all(names == WHOLE for names in checkpoints(gcs, cut).values())
    zoetrope(*command, f"output={cut}", "resume=true")
    assert losses(gcs, cut) == losses(gcs, whole)
    assert len(checkpoints(gcs, cut)) == 3


def test_the_studio_shows_what_lies_on_gs(gcs, source):
    zoetrope("animate", "--config", f"{source}/animate.yaml", "output=gs://corpus/out/shown", "store=still")
    zoetrope("index", f"{source}/model", f"{source}/shards", "-o", "gs://corpus/shown-index")
    command = [
        "studio",
        f"{source}/photos",
        "gs://corpus/out/shown",
        "--index",
        "gs://corpus/shown-index",
        "--port",
        "0",
    ]
    studio = subprocess.Popen(
        [sys.executable, "-m", "zoetrope.cli", *command], stdout=subprocess.PIPE, text=True
    )
    try:
        assert studio.stdout is not None
        address = re.search(r"http://[\d.:]+", studio.stdout.readline())
        assert address is not None

        def ask(path: str) -> bytes:
            with urllib.request.urlopen(address[0] + path, timeout=60) as answer:
                return answer.read()

        state = json.loads(ask("/api/state"))
        assert len(state["pictures"]) == 4
        assert state["outputs"] == ["gs://corpus/out/shown"]
        assert ask(f"/api/pictures/{state['pictures'][0]['id']}")[8:12] == b"WEBP"
        assert json.loads(ask("/api/outputs/0/page"))["total"] == 4
        assert ask("/api/outputs/0/clip?position=3")[8:12] == b"WEBP"
        found = json.loads(ask("/api/search?text=a%20red%20square&count=2"))["coarse"]
        assert ask(f"/api/search/{found[0]['id']}/clip")[8:12] == b"WEBP"
    finally:
        studio.terminate()
        studio.wait(60)
