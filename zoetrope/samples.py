"""Small sample corpora from real photographs, in each of the forms that the job reads.

The pictures come with scikit-image and scikit-learn, which `make setup` installs, so nothing is downloaded.
Where these are missing, the few photographs of the studio take their place.
The demo, the pictures of the documentation and the tests use them.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

PHOTOGRAPHS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    # name: (package folder, file, captions)
    "astronaut": (
        "skimage.data",
        "astronaut.png",
        ("an astronaut smiles in an orange suit", "a woman in front of a flag"),
    ),
    "chelsea": ("skimage.data", "chelsea.png", ("a tabby cat looks to the side", "close-up of a cat's face")),
    "coffee": (
        "skimage.data",
        "coffee.png",
        ("a cup of coffee on a saucer", "espresso with a spoon on a wooden table"),
    ),
    "rocket": ("skimage.data", "rocket.jpg", ("a rocket lifts off at dusk", "a launch seen from afar")),
    "motorcycle": (
        "skimage.data",
        "motorcycle_left.png",
        ("a motorcycle parked in a garage", "a motorbike among tools"),
    ),
    "flower": (
        "sklearn.datasets.images",
        "flower.jpg",
        ("a dahlia in bloom", "a red and yellow flower in a garden"),
    ),
    "china": (
        "sklearn.datasets.images",
        "china.jpg",
        ("a temple roof in Beijing", "a Chinese palace under a grey sky"),
    ),
    "hubble": (
        "skimage.data",
        "hubble_deep_field.jpg",
        ("thousands of far galaxies", "the Hubble deep field"),
    ),
}
SHIPPED = Path(__file__).parents[1] / "preview" / "assets" / "samples"  # NAME.jpg and NAME.txt


@dataclass(frozen=True)
class Photograph:
    """An original picture: its encoded bytes and its captions."""

    data: bytes
    captions: tuple[str, ...]


@dataclass(frozen=True)
class SamplePicture:
    """One encoded picture with its captions."""

    name: str
    jpeg: bytes
    width: int
    height: int
    captions: tuple[str, ...]


def pictures(count: int, *, long_side: int = 640) -> Iterator[SamplePicture]:
    """Yield `count` different JPEGs: the whole photographs first, then windows of them."""
    photographs = _photographs()
    names = list(photographs)
    originals: dict[str, Image.Image] = {}
    for i in range(count):
        name, turn = names[i % len(names)], i // len(names)
        if name not in originals:
            picture = Image.open(io.BytesIO(photographs[name].data)).convert("RGB")
            picture.thumbnail((2 * long_side, 2 * long_side), Image.Resampling.LANCZOS)
            originals[name] = picture
        window = _window(originals[name], turn)
        window.thumbnail((long_side, long_side), Image.Resampling.LANCZOS)
        out = io.BytesIO()
        window.save(out, "JPEG", quality=90)
        own_name = name
        if turn:
            own_name = f"{name}_{turn:03d}"
        yield SamplePicture(own_name, out.getvalue(), *window.size, photographs[name].captions)


def _photographs() -> dict[str, Photograph]:
    """The photographs by name: those of PHOTOGRAPHS where their packages are installed, else the shipped."""
    packages = {package.partition(".")[0] for package, _, _ in PHOTOGRAPHS.values()}
    if all(find_spec(package) for package in packages):
        return {
            name: Photograph((files(package) / file).read_bytes(), captions)
            for name, (package, file, captions) in PHOTOGRAPHS.items()
        }
    return {
        path.stem: Photograph(
            path.read_bytes(), (path.with_suffix(".txt").read_text(encoding="utf-8").strip(),)
        )
        for path in sorted(SHIPPED.glob("*.jpg"))
    }


def _window(picture: Image.Image, turn: int) -> Image.Image:
    """Return the whole picture for turn 0, else a window of 60 to 85 % of each side (a quasi-random walk)."""
    if turn == 0:
        return picture.copy()
    width, height = picture.size
    share = 0.6 + 0.25 * (turn * 0.618034 % 1)
    w, h = int(width * share), int(height * share)
    x, y = int((width - w) * (turn * 0.754878 % 1)), int((height - h) * (turn * 0.569840 % 1))
    return picture.crop((x, y, x + w, y + h))


def write_folder(folder: Path, count: int, **options: int) -> Path:
    """Write ``NAME.jpg`` and ``NAME.txt``, one caption per line. Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for picture in pictures(count, **options):
        (folder / f"{picture.name}.jpg").write_bytes(picture.jpeg)
        (folder / f"{picture.name}.txt").write_text("\n".join(picture.captions) + "\n", encoding="utf-8")
    return folder


def write_coco(folder: Path, count: int, *, zipped: bool = False, **options: int) -> tuple[Path, Path]:
    """Write a COCO captions JSON, and its pictures in ``train2017/`` or ``train2017.zip``.

    Returns both paths.
    """
    images, annotations = [], []
    target = folder / "train2017"
    target.mkdir(parents=True, exist_ok=True)
    for i, picture in enumerate(pictures(count, **options)):
        image_id = 9 + 16 * i
        name = f"{image_id:012d}.jpg"
        (target / name).write_bytes(picture.jpeg)
        url = f"http://images.cocodataset.org/train2017/{name}"
        images.append(
            {
                "id": image_id,
                "file_name": name,
                "width": picture.width,
                "height": picture.height,
                "license": 4,
                "coco_url": url,
            }
        )
        for j, caption in enumerate(picture.captions):
            annotations.append({"id": 10 * i + j, "image_id": image_id, "caption": caption})
    index = folder / "captions_train2017.json"
    index.write_text(json.dumps({"info": {}, "licenses": [], "images": images, "annotations": annotations}))
    if not zipped:
        return index, target
    archive = folder / "train2017.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for path in sorted(target.iterdir()):
            out.write(path, f"train2017/{path.name}")
    return index, archive


def write_tsv(folder: Path, count: int, base_url: str, *, layout: str = "cc3m", **options: int) -> Path:
    """Write a CC3M (caption, url) or CC12M (url, caption) TSV, and its pictures in ``www/``.

    A server at `base_url` serves that folder.
    """
    www = folder / "www"
    www.mkdir(parents=True, exist_ok=True)
    rows = []
    for picture in pictures(count, **options):
        (www / f"{picture.name}.jpg").write_bytes(picture.jpeg)
        caption, url = picture.captions[0], f"{base_url}/{picture.name}.jpg"
        if layout == "cc3m":
            rows.append(f"{caption}\t{url}")
        else:
            rows.append(f"{url}\t{caption}")
    path = folder / {"cc3m": "Train_GCC-training.tsv", "cc12m": "cc12m.tsv"}[layout]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def write_tars(folder: Path, count: int, *, per_tar: int = 10, **options: int) -> Path:
    """Write ``00000.tar`` ... with jpg, txt and json members, as img2dataset does. Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tar: tarfile.TarFile | None = None
    for i, picture in enumerate(pictures(count, **options)):
        shard, row = divmod(i, per_tar)
        if row == 0:
            if tar is not None:
                tar.close()
            tar = tarfile.open(folder / f"{shard:05d}.tar", "w")  # noqa: SIM115
        key = f"{shard:05d}{row:04d}"
        about = {
            "caption": picture.captions[0],
            "url": f"https://example.org/{picture.name}.jpg",
            "key": key,
            "status": "success",
            "error_message": None,
            "width": picture.width,
            "height": picture.height,
            "original_width": 2 * picture.width,
            "original_height": 2 * picture.height,
            "exif": "{}",
            "sha256": hashlib.sha256(picture.jpeg).hexdigest(),
        }
        members = {
            "jpg": picture.jpeg,
            "txt": picture.captions[0].encode(),
            "json": json.dumps(about).encode(),
        }
        for extension, data in members.items():
            info = tarfile.TarInfo(f"{key}.{extension}")
            info.size = len(data)
            assert tar is not None  # noqa: S101 (row 0 opened it)
            tar.addfile(info, io.BytesIO(data))
    if tar is not None:
        tar.close()
    return folder


def write_parquet(
    folder: Path, count: int, *, per_file: int = 10, struct: bool = True, **options: int
) -> Path:
    """Write Parquet as Hugging Face does: ``image`` as {bytes, path} or plain bytes, and ``caption``.

    Returns the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {"image": {"bytes": p.jpeg, "path": f"{p.name}.jpg"} if struct else p.jpeg, "caption": p.captions[0]}
        for p in pictures(count, **options)
    ]
    for start in range(0, len(rows), per_file):
        part = rows[start : start + per_file]
        path = folder / f"train-{start // per_file:05d}-of-{-(-len(rows) // per_file):05d}.parquet"
        pq.write_table(pa.Table.from_pylist(part), path, row_group_size=4)
    return folder
