"""Mutated input files: every source gives items or one ConfigError, never another exception."""

from __future__ import annotations

import io
import json
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_checks import source_of

from pipelines.sources.base import make_source, read_task
from pipelines.sources.videos.config import VideoSourceConfig
from schemas.errors import ConfigError
from schemas.records import Failure

ROUNDS = 150  # files per kind


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Flip, cut out, repeat or overwrite bytes, at one to eight places."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        place, length = rng.randrange(len(out) + 1), rng.choice([1, 2, 8, 64])
        kind = rng.randrange(5)
        if kind == 0:
            out[place : place + length] = rng.randbytes(length)
        elif kind == 1:
            del out[place : place + length]
        elif kind == 2:
            out[place:place] = out[place : place + length] * rng.choice([1, 30])
        elif kind == 3:
            out[place : place + length] = (
                rng.choice([b"\0", b"\xff", b"9", b'"', b"[", b"\n", b"\\"]) * length
            )
        else:
            del out[place:]
        if not out:
            out = bytearray(b"\0")
    return bytes(out)


def a_tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for number in range(4):
            for ending, data in (("jpg", b"picture"), ("txt", b"caption"), ("json", b'{"url": "http://x/"}')):
                long = "\u00e9" * 60 if number == 2 else ""  # a PAX header
                info = tarfile.TarInfo(f"{number}{long}.{ending}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def a_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"train/{number}.jpg", b"picture" * 20)
    return out.getvalue()


def a_parquet() -> bytes:
    out = io.BytesIO()
    table = pa.table(
        {"image": [b"picture %d" % i for i in range(20)], "caption": [f"c{i}" for i in range(20)]}
    )
    pq.write_table(table, out, row_group_size=5)
    return out.getvalue()


COCO = json.dumps(
    {
        "images": [
            {"id": i, "file_name": f"train/{i}.jpg", "x": [1.5, None, {"y": "\u00e9"}]} for i in range(4)
        ],
        "annotations": [{"image_id": i, "caption": f"caption {i}"} for i in range(4)],
    }
).encode()
MSRVTT = json.dumps(
    {
        "videos": [{"video_id": f"v{i}", "start time": 1.5} for i in range(4)],
        "sentences": [{"video_id": f"v{i % 4}", "caption": f"caption {i}"} for i in range(8)],
    }
).encode()
TABLE = b'file_name,caption\n0.jpg,"one, ""quoted"""\n1.jpg,two\n2.jpg,"three\nlines"\n3.jpg,four\n'
LINES = b"".join(json.dumps({"file_name": f"{i}.jpg", "text": [f"c{i}"]}).encode() + b"\n" for i in range(4))
TSV = b"".join(b"caption %d\thttp://example.org/%d.jpg\n" % (i, i) for i in range(9))
DIDEMO = json.dumps([{"video": f"v{i}.avi", "description": f"d {i}", "times": [[0, 1]]} for i in range(4)])
ACTIVITYNET = json.dumps(
    {f"v{i}": {"duration": 9.5, "timestamps": [[1, 2.5], [0, 1]], "sentences": ["b", "a"]} for i in range(4)}
)
SSV2 = json.dumps([{"id": f"v{i}", "template": "Moving [something] up", "label": "x"} for i in range(4)])
LSMDC = b"".join(b"v%d\t0.1\t0.2\t0.1\t0.2\tSOMEONE leaves.\n" % i for i in range(4))
VIDEOS = b'video,caption\nv0,one\nv1,"two, too"\nv2.mp4,three\nv3,four\n'


def pictures_in(folder: Path) -> None:
    for number in range(4):
        (folder / f"{number}.jpg").write_bytes(b"picture")


def videos_in(folder: Path) -> None:
    for number in range(4):
        (folder / f"v{number}.mp4").write_bytes(b"video")


def write_zip(folder: Path) -> None:
    (folder / "coco.json").write_bytes(COCO)


CASES: dict[str, tuple[str, bytes, Callable[[Path], None], dict[str, Any]]] = {
    "tar": ("a.tar", a_tar(), lambda folder: None, {"kind": "tars", "uri": "a.tar"}),
    "parquet": ("a.parquet", a_parquet(), lambda folder: None, {"kind": "parquet", "uri": "a.parquet"}),
    "tsv": ("a.tsv", TSV, lambda folder: None, {"kind": "cc3m", "uri": "a.tsv"}),
    "csv": ("captions.csv", TABLE, pictures_in, {"kind": "folder", "uri": ""}),
    "jsonl": ("metadata.jsonl", LINES, pictures_in, {"kind": "folder", "uri": ""}),
    "zip": ("a.zip", a_zip(), write_zip, {"kind": "coco", "annotations": "coco.json", "images": "a.zip"}),
    "coco": ("coco.json", COCO, pictures_in, {"kind": "coco", "annotations": "coco.json", "images": ""}),
    "msrvtt": ("m.json", MSRVTT, videos_in, {"kind": "msrvtt", "annotations": "m.json", "videos": ""}),
    "vatex": ("x.json", MSRVTT, videos_in, {"kind": "vatex", "annotations": "x.json", "videos": ""}),
    "didemo": (
        "d.json",
        DIDEMO.encode(),
        videos_in,
        {"kind": "didemo", "annotations": "d.json", "videos": ""},
    ),
    "activitynet": (
        "a.json",
        ACTIVITYNET.encode(),
        videos_in,
        {"kind": "activitynet", "annotations": "a.json", "videos": ""},
    ),
    "ssv2": ("s.json", SSV2.encode(), videos_in, {"kind": "ssv2", "annotations": "s.json", "videos": ""}),
    "lsmdc": ("l.csv", LSMDC, videos_in, {"kind": "lsmdc", "annotations": "l.csv", "videos": ""}),
    "videos": ("c.csv", VIDEOS, videos_in, {"kind": "csv", "annotations": "c.csv", "videos": ""}),
}
PLACES = ("uri", "annotations", "images", "videos")


@pytest.mark.parametrize("case", CASES)
def test_a_mutated_file_gives_items_or_one_line(case: str, tmp_path: Path) -> None:
    name, data, prepare, fields = CASES[case]
    rng = random.Random(case)
    prepare(tmp_path)
    values = {key: f"{tmp_path}/{value}" if key in PLACES else value for key, value in fields.items()}
    read = 0
    lines: list[str] = []
    for number in range(ROUNDS):
        (tmp_path / name).write_bytes(mutated(data, rng) if number else data)
        try:
            if "videos" in fields:
                source = make_source(VideoSourceConfig.make(values), shard_samples=3)
            else:
                source = source_of(3, **values)
            source.fingerprint()
            tasks = list(source.plan())
            items = [item for task in tasks for item in read_task(source, task)]
        except ConfigError as error:
            lines.append(str(error))
            continue
        read += 1
        json.dumps([(task.payload, task.samples) for task in tasks])
        for item in items:
            texts = [item.key, item.detail] if isinstance(item, Failure) else [item.key, *item.captions]
            "".join(texts).encode()
    assert read > ROUNDS / 20
    assert not [line for line in lines if "\n" in line]
