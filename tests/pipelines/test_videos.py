from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from made_videos import cut, make_sound, make_video

from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from storage.shards.read import iter_shard
from storage.tables import expand_shards, iter_rows, read_manifest
from transforms.stores.frames import encoded_frames
from zoetrope import cli

CONFIGS = Path(__file__).parents[2] / "configs" / "import"
COLOURS = {
    "video0": ("red", "mp4"),
    "video1": ("green", "avi"),
    "video2": ("blue", "webm"),
    "video3": ("red", "mkv"),
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for name, (colour, ending) in COLOURS.items():
        make_video(
            folder / ("sub" if name == "video1" else "") / f"{name}.{ending}", colour=colour, frames=50
        )
    return folder


def run(kind: str, output: Path, *overrides: str) -> int:
    config = ["import-videos", "--config", str(CONFIGS / f"{kind}.yaml"), f"output={output}", "workers=1"]
    return cli.main([*config, *overrides])


def samples_of(output: Path) -> dict[str, tuple]:
    """Video id -> (caption, captions, frames, meta), in shard order, each checked against what surrounds it."""
    found = {}
    for uri in expand_shards(str(output)):
        for sample in iter_shard(uri):
            meta = sample.meta()
            assert (meta.kind, meta.key, meta.quads) == ("video", sample.key, ())
            stored = encoded_frames(sample.members)
            assert len(stored) == meta.frames == len(meta.timestamps) > 0
            assert sample.members["txt"].decode() == meta.caption == meta.captions[0]
            found[meta.image_id] = (meta.captions, meta)
    return found


def msrvtt(folder: Path, count: int = 4) -> Path:
    splits = ["train", "train", "validate", *["test"] * count]
    rows = [{"video_id": f"video{i}", "split": splits[i], "category": i} for i in range(count)]
    pairs = [(i, i % count) for i in range(2 * count)]
    sentences = [{"sen_id": i, "video_id": f"video{v}", "caption": f"caption {i}  of {v}"} for i, v in pairs]
    path = folder / "MSRVTT_data.json"
    path.write_text(json.dumps({"info": {}, "videos": rows, "sentences": sentences}))
    (folder / "MSRVTT_train.9k.csv").write_text("video_id\nvideo2\nvideo0\n")
    (folder / "MSRVTT_JSFUSION_test.csv").write_text(
        "key,vid_key,video_id,sentence\nret0,msr3,video3,the one sentence\n"
    )
    return path


def test_msrvtt_with_each_kind_of_split(tmp_path, videos):
    places = [f"source.videos={videos}", f"source.annotations={msrvtt(tmp_path)}"]
    assert run("msrvtt", tmp_path / "all", *places, "shard.max_samples=3") == 0
    found = samples_of(tmp_path / "all")
    assert list(found) == ["video0", "video1", "video2", "video3"]
    assert found["video1"][0] == ("caption 1 of 1", "caption 5 of 1")
    assert found["video2"][1].meta["split"] == "validate"
    assert [row.samples for row in read_manifest(str(tmp_path / "all"))] == [3, 1]
    assert {row["motion"] for row in iter_rows(str(tmp_path / "all"), SAMPLES_FILE)} == {""}
    assert cli.main(["validate", str(tmp_path / "all")]) == 0
    for split, wanted in {
        "train": ["video0", "video1"],
        "val": ["video2"],
        "train.9k": ["video2", "video0"],
    }.items():
        assert run("msrvtt", tmp_path / split, *places, f"source.split={split}") == 0
        assert list(samples_of(tmp_path / split)) == wanted
    assert run("msrvtt", tmp_path / "1k", *places, "source.split=1k-A") == 0
    assert samples_of(tmp_path / "1k")["video3"][0] == ("the one sentence",)
    alone = [places[0], f"source.split_file={tmp_path}/MSRVTT_JSFUSION_test.csv"]
    assert run("msrvtt", tmp_path / "alone", *alone) == 0
    assert list(samples_of(tmp_path / "alone")) == ["video3"]


def test_the_full_split_of_msrvtt_needs_no_list_and_no_videos_in_the_json(tmp_path, capsys):
    """The videos of each split are those of CLIP2Video's MSRVTT_{train,val,test}.full.csv: 6513, 497 and
    2990, by number.
    """
    folder = tmp_path / "videos"
    names = ["video6512", "video6513", "video7009", "video7010", "video9999"]
    for name in names:
        make_video(folder / f"{name}.mp4", frames=10)
    path = tmp_path / "MSRVTT_data.json"
    sentences = [
        {"video_id": video, "caption": f"a {video} {which}"} for video in reversed(names) for which in "ab"
    ]
    path.write_text(json.dumps({"sentences": sentences}))
    places = [f"source.videos={folder}", f"source.annotations={path}"]
    wanted = {"train.full": (6513, names[:1]), "val.full": (497, names[1:3]), "test.full": (2990, names[3:])}
    for split, (count, videos) in wanted.items():
        output = tmp_path / split
        assert run("msrvtt", output, *places, f"source.split={split}", "shard.max_samples=10000") == 0
        found = samples_of(output)
        assert list(found) == videos
        assert found[videos[0]][0] == (f"a {videos[0]} a", f"a {videos[0]} b")
        assert len(list(iter_rows(str(output), FAILURES_FILE))) == count - len(videos)
    capsys.readouterr()
    assert run("msrvtt", tmp_path / "out", *places, "source.split=test") == 2
    told = capsys.readouterr().err.strip()
    assert "no 'videos' of split 'test'" in told
    assert "source.split=test.full, or the list: source.split_file=MSRVTT_test.full.csv" in told
    assert len(told.splitlines()) == 1
    (tmp_path / "MSRVTT_test.full.csv").write_text("video_id\nvideo7010\n")
    assert run("msrvtt", tmp_path / "out", *places, f"source.split_file={tmp_path}/MSRVTT_test.full.csv") == 0
    assert list(samples_of(tmp_path / "out")) == ["video7010"]


def test_msvd_and_its_pickle(tmp_path, videos, capsys):
    annotations = tmp_path / "raw-captions.pkl"
    annotations.write_bytes(
        pickle.dumps({f"video{i}": [["a", "square"], ["it", "moves", str(i)]] for i in range(4)}, 2)
    )
    (tmp_path / "test_list.txt").write_text("video3\nvideo1\n")
    places = [f"source.videos={videos}", f"source.annotations={annotations}"]
    assert run("msvd", tmp_path / "out", *places, "source.split=test") == 0
    assert [(v, found[0]) for v, found in samples_of(tmp_path / "out").items()] == [
        ("video3", ("a square", "it moves 3")),
        ("video1", ("a square", "it moves 1")),
    ]

    class Evil:
        def __reduce__(self):
            return (os.system, (f"touch {tmp_path}/was-run",))

    annotations.write_bytes(pickle.dumps({"video0": [[Evil()]]}))
    capsys.readouterr()
    assert run("msvd", tmp_path / "evil", *places) == 2
    told = capsys.readouterr().err
    assert "nothing in it was run" in told
    assert len(told.splitlines()) == 1
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("form", ["released", "clip2video"])
def test_vatex_in_both_forms(tmp_path, videos, form):
    items = {f"video{i}": {"enCap": [f"a {i}", f"b {i}"], "chCap": ["方块"]} for i in range(4)}
    released = [{"videoID": video, **captions} for video, captions in items.items()]
    path = tmp_path / "vatex.json"
    path.write_text(json.dumps(released if form == "released" else items))
    (tmp_path / "val_list.txt").write_text("video2\nvideo0\n")
    places = [f"source.videos={videos}", f"source.annotations={path}", "source.split=val"]
    assert run("vatex", tmp_path / "en", *places) == 0
    assert {v: found[0] for v, found in samples_of(tmp_path / "en").items()} == {
        "video2": ("a 2", "b 2"),
        "video0": ("a 0", "b 0"),
    }
    assert run("vatex", tmp_path / "zh", *places, "source.language=zh") == 0
    assert samples_of(tmp_path / "zh")["video0"][0] == ("方块",)


def test_broken_videos_are_failures_and_retry_makes_them(tmp_path, capsys):
    folder = tmp_path / "videos"
    make_video(folder / "good.mp4", frames=50)
    whole = make_video(tmp_path / "whole.mp4", frames=100, options={"movflags": "faststart"})
    cut(whole, folder / "half.mp4", 0.6)
    make_sound(folder / "sound.mp4")
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("not a video")
    names = ["good", "half", "sound", "empty", "text", "gone", "good2", "blank"]
    make_video(folder / "good2.avi", frames=3)
    table = tmp_path / "captions.csv"
    table.write_text(
        "video,caption\n"
        + "".join(f"{n},{'' if n == 'blank' else f'a {n} one'}\n" for n in names)
        + 'good,"two,\nlines"\n'
    )
    places = [f"source.videos={folder}", f"source.annotations={table}"]
    output = tmp_path / "out"
    assert run("csv", output, *places, "shard.max_samples=3") == 0
    found = samples_of(output)
    assert list(found) == ["good", "good2"]
    assert found["good"][0] == ("a good one", "two, lines")
    reasons = {row["key"].partition("-")[2]: row["reason"] for row in iter_rows(str(output), FAILURES_FILE)}
    assert reasons == {
        "half": "truncated",
        "sound": "no_frames",
        "empty": "empty_body",
        "text": "not_a_video",
        "gone": "missing_video",
        "blank": "missing_caption",
    }
    before = {p.name: p.read_bytes() for p in output.glob("*.tar")}
    assert run("csv", output, *places, "shard.max_samples=3") == 0  # nothing is missing
    make_video(folder / "gone.webm", frames=9)
    assert cli.main(["retry", str(output), "--reason", "missing_video"]) == 0
    assert "gone" in samples_of(output)
    assert all((output / name).read_bytes() == data for name, data in before.items())
    assert cli.main(["validate", str(output)]) == 0


def test_workers_change_no_byte(tmp_path, videos):
    places = [f"source.videos={videos}", f"source.annotations={msrvtt(tmp_path)}", "shard.max_samples=2"]
    for workers in (1, 3):
        assert run("msrvtt", tmp_path / f"w{workers}", *places, f"workers={workers}") == 0
    for name in ("00000.tar", "00001.tar"):
        assert (tmp_path / "w1" / name).read_bytes() == (tmp_path / "w3" / name).read_bytes()


def test_the_trainer_reads_what_is_imported(tmp_path, videos):
    """Through both loaders, worker processes included: every video, padded where it is short, in unlike
    places each epoch.
    """
    from itertools import islice

    from trainer.data.config import DataConfig
    from trainer.data.loader import TrainingLoader, evaluation_loader
    from trainer.data.shards import ShardSet
    from trainer.model.towers import tokenize

    videos = Path(shutil.copytree(videos, tmp_path / "videos"))
    make_video(videos / "video4.mp4", frames=10)  # less than half a second
    places = [f"source.videos={videos}", f"source.annotations={msrvtt(tmp_path, 5)}", "shard.max_samples=3"]
    assert run("msrvtt", tmp_path / "out", *places) == 0
    shards = ShardSet.find(str(tmp_path / "out"))
    config = DataConfig(shards="x", workers=1, shuffle_samples=4)
    shape = {"frames": 12, "size": (64, 64)}
    batches = list(islice(TrainingLoader(shards, config, tokenize, **shape, batch_size=5, seed=1), 4))
    for batch in batches:
        assert len({tuple(row) for row in batch.identities.tolist()}) == len(set(batch.keys)) == 5
        assert batch.frames.shape == (5, 12, 64, 64, 3)
        counts = {
            key.partition("-")[2]: int(n) for key, n in zip(batch.keys, batch.frame_mask.sum(1), strict=True)
        }
        assert counts == {"video0": 6, "video1": 6, "video2": 6, "video3": 6, "video4": 2}
        assert not batch.dropped
    assert len({tuple(batch.keys) for batch in batches}) > 1
    assert len({tuple(sorted(batch.captions)) for batch in batches}) > 1  # one of two captions each epoch
    parts = list(evaluation_loader(shards, DataConfig(shards="x", workers=0), tokenize, **shape))
    assert [key.partition("-")[2] for part in parts for key in part.keys] == [f"video{i}" for i in range(5)]
    assert sum(len(part.captions) for part in parts) == 10
    red = parts[0].frames[0, :6].numpy().astype(int)  # the square goes from left to right
    at = [float(np.argmax((frame[..., 0] - frame[..., 2] > 60).any(0))) for frame in red]
    assert at == sorted(at)
    assert at[-1] > at[0]


def test_of_an_import_of_all_frames_the_trainer_takes_those_that_a_short_one_keeps(tmp_path, videos):
    from transforms.stores.picking import sample_indices

    places = [
        f"source.videos={videos}",
        f"source.annotations={msrvtt(tmp_path)}",
        "frames.feature_framerate=1",
    ]
    for most in (4, 999):
        assert run("msrvtt", tmp_path / f"{most}", *places, f"frames.max_frames={most}") == 0
    few, many = samples_of(tmp_path / "4"), samples_of(tmp_path / "999")
    for video in few:
        times = many[video][1].timestamps
        assert len(times) > 9
        assert tuple(times[i] for i in sample_indices(len(times), 4)) == few[video][1].timestamps


def test_the_dry_run_tells_what_there_is_and_what_is_missing(tmp_path, videos, capsys):
    places = [f"source.videos={videos}", f"source.annotations={msrvtt(tmp_path, 6)}", "shard.max_samples=3"]
    assert run("msrvtt", tmp_path / "out", *places, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "source   msrvtt: 6 inputs, 2 of them without a file or captions" in out
    assert "2 tasks (a shard each), 2 to be made" in out
    assert "at most 12 frames of 224x224, about " in out
    assert "keys     0000000-video0, 0000001-video1" in out
    assert "B a sample)" in out
    assert not (tmp_path / "out").exists()
    assert run("msrvtt", tmp_path / "out", *places) == 0
    capsys.readouterr()
    assert run("msrvtt", tmp_path / "out", *places, "--dry-run") == 0
    assert "2 tasks (a shard each), 0 to be made" in capsys.readouterr().out
    assert (
        run("msrvtt", tmp_path / "out", *places, "frames.size=64", "--dry-run") == 2
    )  # as the run itself would


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["source.split=train.8k"], "the nearest: train.9k;"),
        (["source.split=full"], "the nearest: train.full or val.full or test.full;"),
        (["source.split=1kA"], "the nearest: 1k-A;"),
        (["source.split=validate"], "the nearest: val;"),
        (["source.split=train.7k"], "MSRVTT_train.7k.csv"),
        (["source.language=zh"], "no effect"),
        (["source.videos=/nowhere"], "no such folder"),
        (["frames.max_frame=3"], "frames.max_frames"),
        (["source.annotations=/nowhere.json"], "/nowhere.json"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(tmp_path, videos, capsys, overrides, says):
    places = [f"source.videos={videos}", f"source.annotations={msrvtt(tmp_path)}"]
    assert run("msrvtt", tmp_path / "out", *places, *overrides) == 2
    told = capsys.readouterr().err.strip()
    assert says in told
    assert len(told.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_paragraph_of_the_first_seconds_is_imported_whole(tmp_path):
    """DiDeMo's recipe on real files: the description in KEY.json, and a frame a second of the first part."""
    make_video(tmp_path / "videos" / "4@N00_2_c.avi", frames=75)  # three seconds
    texts = [{"video": "4@N00_2_c.avi", "description": text, "times": [[0, 0]]} for text in ("one", "two")]
    (tmp_path / "test_data.json").write_text(json.dumps(texts))
    places = [f"source.videos={tmp_path / 'videos'}", f"source.annotations={tmp_path}", "source.split=test"]
    assert run("didemo", tmp_path / "out", *places, "frames.seconds=2") == 0
    ((captions, meta),) = samples_of(tmp_path / "out").values()
    assert captions == ("one two",)
    assert meta.meta["sentences"] == ["one", "two"]
    assert 3 <= meta.frames <= 4  # ffmpeg takes frames 0 and 1 first
    assert meta.timestamps[-1] < 2


def test_a_new_field_at_its_default_does_not_change_an_outputs_identity(tmp_path, videos):
    from pipelines.config import ImportConfig
    from pipelines.videos import make_job

    values = {"kind": "csv", "videos": str(videos), "annotations": str(tmp_path / "a.csv")}
    (tmp_path / "a.csv").write_text("video,caption\nvideo0,one\n")
    usual = make_job(ImportConfig.make({"source": values, "output": "x"})).identity
    cut_off = make_job(
        ImportConfig.make({"source": values, "output": "x", "frames": {"seconds": 2}})
    ).identity
    assert "frames.seconds" not in usual
    assert "source.text" not in usual
    assert cut_off["frames.seconds"] == 2
