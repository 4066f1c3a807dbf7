"""Real videos of a second under the names of the public sets, their published lists, and shards of them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING

from made_videos import COLOURS, make_video

from zoetrope import cli

if TYPE_CHECKING:
    from documented.pictures import Maker
    from documented.place import Place

NAMES = ("video0", "video6600", "video7010")  # MSR-VTT's: of the training, validation and test part
VATEX = tuple(f"v{number}_000001_000011" for number in range(3))
MOVIE = "0001_American_Beauty_00.00.51.926-00.00.54.129"
SPLITS = {"train": NAMES[:2], "val": NAMES[1:], "test": NAMES[1:]}


def _videos(folder: str, *names: str) -> Maker:
    def make(place: Place, here: Path) -> None:
        colours = list(COLOURS)
        files = [here / folder / f"{name}.mp4" for name in names]
        for number, file in enumerate(files):
            make_video(file, colour=colours[number % 3], frames=6, fps=6, size=(32, 48))

    return make


def _msrvtt(place: Place, here: Path) -> None:
    parts = zip(NAMES, ("train", "validate", "test"), strict=True)
    videos = [{"video_id": name, "split": part} for name, part in parts]
    sentences = [{"video_id": name, "caption": f"a square in {name}"} for name in NAMES]
    (here / "MSRVTT_data.json").write_text(json.dumps({"videos": videos, "sentences": sentences}))
    (here / "MSRVTT_train.9k.csv").write_text("video_id\n" + "\n".join(SPLITS["train"]) + "\n")
    rows = [f"ret{number},{name},a square moves in {name}" for number, name in enumerate(SPLITS["test"])]
    (here / "MSRVTT_JSFUSION_test.csv").write_text("key,video_id,sentence\n" + "\n".join(rows) + "\n")


def _lists(here: Path, splits: dict[str, tuple[str, ...]]) -> None:
    for split, names in splits.items():
        (here / f"{split}_list.txt").write_text("\n".join(names) + "\n")


def _msvd(place: Place, here: Path) -> None:
    captions = {name: [["a", "square"], ["it", "moves", "in", name]] for name in NAMES}
    (here / "raw-captions.pkl").write_bytes(pickle.dumps(captions))
    _lists(here, SPLITS)


def _vatex(place: Place, here: Path) -> None:
    items = [{"videoID": name, "enCap": [f"a square in {name}", "it moves"], "chCap": []} for name in VATEX]
    (here / "vatex_data.json").write_text(json.dumps(items))
    _lists(here, {"train": VATEX[:2], "val": VATEX[1:], "test": VATEX[1:]})


def _didemo(place: Place, here: Path) -> None:
    (here / "didemo").mkdir()
    for split, names in SPLITS.items():
        rows = [{"video": f"{name}.mp4", "description": f"a square in {name}"} for name in names]
        (here / "didemo" / f"{split}_data.json").write_text(json.dumps(rows))


def _activitynet(place: Place, here: Path) -> None:
    (here / "captions").mkdir()
    for split, names in (("train", NAMES[:2]), ("val_1", NAMES[1:])):
        about = {
            f"v_{name}": {"timestamps": [[0, 1]], "sentences": [f"A square in {name}."]} for name in names
        }
        (here / "captions" / f"{split}.json").write_text(json.dumps(about))


def _lsmdc(place: Place, here: Path) -> None:
    (here / "lsmdc").mkdir()
    times = "\t".join(["00.00.51.926", "00.00.54.129"] * 2)
    for name in ("annos_training", "annos_val", "challenge_1000_publictect"):
        (here / "lsmdc" / f"LSMDC16_{name}.csv").write_text(f"{MOVIE}\t{times}\tSOMEONE smiles.\n")


def _ssv2(place: Place, here: Path) -> None:
    (here / "labels").mkdir()
    released = [{"id": name, "label": "moving it", "template": "Moving [something]"} for name in NAMES]
    (here / "labels" / "something-something-v2-train.json").write_text(json.dumps(released))
    asked = [{"video": [f"{name}.mp4" for name in NAMES], "caption": "Moving something"}]
    (here / "labels" / "ssv2_ret_template_val_small.json").write_text(json.dumps(asked))


def _table(place: Place, here: Path) -> None:
    rows = [f"{name}.mp4,a square in {name}" for name in NAMES]
    (here / "captions.csv").write_text("video,caption\n" + "\n".join(rows) + "\n")


def _ids(place: Place, here: Path) -> None:
    (here / "mine.json").write_text(json.dumps({name: [f"a square in {name}"] for name in NAMES}))


def _shards(name: str) -> Maker:
    """Shards of the videos of a set; the table of captions stands for its lists."""

    def make(place: Place, here: Path) -> None:
        table = place.made("captions.csv")
        source = [f"source.videos={place.made('videos')}", f"source.annotations={table}"]
        fields = [*source, f"output={here / name}", "frames.size=32", "workers=1", "shard.max_samples=1"]
        assert cli.main(["import-videos", "source.kind=csv", *fields]) == 0

    return make


def _copy(name: str) -> Maker:
    def make(place: Place, here: Path) -> None:
        place.put("msrvtt/train", here, name)

    return make


SETS = ("msrvtt", "msvd", "vatex", "didemo", "lsmdc", "activitynet", "ssv2")
COPIES = {f"{name}/{split}" for name in SETS for split in ("train", "val", "test")} - {"msrvtt/train"}
COPIES |= {"msrvtt/full_train", "msrvtt/full_val", "msrvtt/full_test", "msrvtt/train_all", "ssv2/retrieval"}
VIDEOS: dict[str, Maker] = {
    "videos": _videos("videos", *NAMES, *VATEX, MOVIE),
    "dog.mp4": _videos(".", "dog"),
    "beach.mp4": _videos(".", "beach"),
    "YouTubeClips": _videos("YouTubeClips", *NAMES),
    "20bn-something-something-v2": _videos("20bn-something-something-v2", *NAMES),
    "MSRVTT_data.json": _msrvtt,
    "raw-captions.pkl": _msvd,
    "vatex_data.json": _vatex,
    "didemo": _didemo,
    "captions": _activitynet,
    "lsmdc": _lsmdc,
    "labels": _ssv2,
    "captions.csv": _table,
    "mine.json": _ids,
    "msrvtt/train": _shards("msrvtt/train"),
    **{name: _copy(name) for name in COPIES},
}
