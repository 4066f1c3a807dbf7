"""Pictures with captions in every form that `zoetrope animate` reads, and outputs that it made of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import pyarrow as pa
import pyarrow.parquet as pq
from documented.snippets import python_blocks

from zoetrope import cli
from zoetrope.samples import SamplePicture, pictures, write_tars

if TYPE_CHECKING:
    from documented.place import Place

Maker = Callable[["Place", Path], None]
NAMES = ("photo", "portrait", "rocket", "saucer", "space", "tabby", "temple", "wheel")
FILTER = """TAGGED = {{"folder-00000000-photo"}}


def {name}(reference):
    return None if (reference.key in TAGGED) is {kept} else "by its tag"
"""


@cache
def photographs() -> dict[str, SamplePicture]:
    """Eight photographs of 160 pixels, by name."""
    return dict(zip(NAMES, pictures(8, long_side=160), strict=True))


def _picture(file: str) -> Maker:
    def make(place: Place, here: Path) -> None:
        (here / file).write_bytes(photographs()["photo"].jpeg)

    return make


def _folder(folder: str, names: tuple[str, ...], captions: bool = True) -> Maker:
    def make(place: Place, here: Path) -> None:
        (here / folder).mkdir()
        for name in names:
            (here / folder / f"{name}.jpg").write_bytes(photographs()[name].jpeg)
            if captions:
                (here / folder / f"{name}.txt").write_text(photographs()[name].captions[0])

    return make


def _more(place: Place, here: Path) -> None:
    (here / "more").mkdir()
    picture = cv2.imread(str(place.made("photo.jpg")))
    cv2.imwrite(str(here / "more" / "one.png"), picture)


def _train2017(place: Place, here: Path) -> None:
    (here / "train2017").mkdir()
    for number, name in ((9, "photo"), (391895, "wheel")):
        (here / "train2017" / f"{number:012d}.jpg").write_bytes(photographs()[name].jpeg)


def _coco(place: Place, here: Path) -> None:
    images = [{"id": number, "file_name": f"{number:012d}.jpg"} for number in (9, 391895)]
    captions = [{"id": image["id"], "image_id": image["id"], "caption": "a photograph"} for image in images]
    text = json.dumps({"images": images, "annotations": captions})
    (here / "captions_train2017.json").write_text(text)


def _urls(name: str, rows: str) -> Maker:
    def make(place: Place, here: Path) -> None:
        (here / name).write_text(rows.format(url=place.serve(place.made("pictures")) + "/photo.jpg"))

    return make


def _parquet(name: str) -> Maker:
    def make(place: Place, here: Path) -> None:
        image = {"bytes": photographs()["photo"].jpeg, "path": "photo.jpg"}
        (here / name).parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"image": [image], "caption": ["a cup of coffee"]}), here / name)

    return make


def _tars(place: Place, here: Path) -> None:
    write_tars(here / "cc12m", 2, per_tar=1, long_side=160)


def _output(name: str, source: str, *fields: str) -> Maker:
    """An output of the job with a clip per shard."""

    def make(place: Place, here: Path) -> None:
        common = [str(place.made(source)), "-o", str(here / name), "clip.size=32", "workers=1"]
        assert cli.main(["animate", *common, "shard.max_samples=1", *fields]) == 0

    return make


def _failed(place: Place, here: Path) -> None:
    """An output without one of its pictures, which is whole now."""
    place.put("moved", here)
    picture = here / "moved" / "photo.jpg"
    picture.write_bytes(b"")
    fields = [str(here / "moved"), "-o", str(here / "failed"), "clip.size=32", "workers=1"]
    assert cli.main(["animate", *fields, "max_failure_ratio=1"]) == 0
    picture.write_bytes(photographs()["photo"].jpeg)


def _lost(place: Place, here: Path) -> None:
    """An output one of whose two addresses answers 404."""
    address = place.serve(place.made("pictures"))
    rows = [f"{address}/{name}.jpg,a photograph" for name in ("photo", "gone")]
    (here / "lost.csv").write_text("\n".join(["url,caption", *rows]) + "\n")
    fields = [str(here / "lost.csv"), "-o", str(here / "lost"), "clip.size=32", "workers=1"]
    assert cli.main(["animate", *fields, "max_failure_ratio=1", "fetch.allow_private=true"]) == 0


def _list(place: Place, here: Path) -> None:
    place.put("photo.jpg", here)
    (here / "pictures.txt").write_text("photo.jpg | a cup of coffee\n")


def _config(name: str) -> Maker:
    """A config of the reader's own, with two filters as the studio exports them."""

    def make(place: Place, here: Path) -> None:
        place.put("pictures", here)
        (here / name).write_text("source: {kind: folder, uri: pictures/}\noutput: copied/\n")
        (here / "tagged_drop.py").write_text(FILTER.format(name="drop", kept=False))
        (here / "tagged_best.py").write_text(FILTER.format(name="keep", kept=True))

    return make


def _module(name: str, page: str, mark: str) -> Maker:
    """The module that a page shows."""

    def make(place: Place, here: Path) -> None:
        (here / name).write_text("\n".join(block for block in python_blocks(page) if mark in block))

    return make


def _coco_yaml(place: Place, here: Path) -> None:
    place.put("captions_train2017.json", here)
    place.put("train2017", here)
    fields = (
        "source: {kind: coco, annotations: captions_train2017.json, images: train2017/}\noutput: clips/\n"
    )
    (here / "coco.yaml").write_text(fields)


PICTURES: dict[str, Maker] = {
    **{file: _picture(file) for file in ("photo.jpg", "cat.jpg", "dog.jpg", "beach.jpg")},
    "pictures": _folder("pictures", NAMES[:2]),
    "moved": _folder("moved", NAMES[:2]),
    "photos": _folder("photos", NAMES[:2], captions=False),
    "eight": _folder("eight", NAMES),
    "one": _folder("one", NAMES[-1:]),
    "more": _more,
    "train2017": _train2017,
    "captions_train2017.json": _coco,
    "Train_GCC-training.tsv": _urls("Train_GCC-training.tsv", "a cup of coffee\t{url}\n"),
    "cc12m.tsv": _urls("cc12m.tsv", "{url}\ta cup of coffee\n"),
    "pictures.csv": _urls("pictures.csv", "url,caption\n{url},a cup of coffee\n"),
    "train-00000.parquet": _parquet("train-00000.parquet"),
    "data": _parquet("data/train-00000.parquet"),
    "flickr30k": _parquet("flickr30k/train-00000.parquet"),
    "cc12m": _tars,
    "clips": _output("clips", "eight"),
    "coco": _output("coco", "pictures"),
    "cc3m": _output("cc3m", "one"),
    "wednesday": _output("wednesday", "captioned"),
    "scored": _output("scored", "eight", "filters=[{name: picture_blur, min: 0}]"),
    "failed": _failed,
    "lost": _lost,
    "captioned": _folder("captioned", NAMES[2:3]),
    "pictures.txt": _list,
    "copied.yaml": _config("copied.yaml"),
    "mine.yaml": _config("mine.yaml"),
    "my.yaml": _config("my.yaml"),
    "coco.yaml": _coco_yaml,
    "mymodule.py": _module("mymodule.py", "docs/extending.md", "\n    def "),
    "mymotions.py": _module("mymotions.py", "docs/motions.md", "@motion"),
}
