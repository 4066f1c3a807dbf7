"""Small outputs, built from real bytes: shards by ShardWriter, tables by pyarrow."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from schemas.clip import ClipMeta, quads_to_json
from schemas.manifest import FAILURES, MANIFEST, SAMPLES
from storage.shards.write import ShardWriter

WHOLE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)


def picture(height, width, seed=0):
    """Smooth, colourful and different for each seed."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    rng = np.random.default_rng(seed)
    waves = [np.sin(2 * np.pi * (x * a + y * b + c)) for a, b, c in rng.uniform(0.5, 3, (3, 3))]
    return np.stack([(127.5 + 127 * w).astype(np.uint8) for w in waves], -1)


def encoded(image, kind="JPEG", **options):
    out = io.BytesIO()
    Image.fromarray(image).save(out, kind, **options)
    return out.getvalue()


def members_of(key, caption, store, motion, seed, frames=4, size=(48, 64)):
    h, w = size
    meta = {
        "key": key,
        "caption": caption,
        "captions": (caption,),
        "source": "folder",
        "frames": frames,
        "fps": 8.0,
    }
    quads = np.stack([(WHOLE - 0.5) * (1 - 0.1 * t) + 0.5 for t in range(frames)])
    meta |= {"width": w, "height": h, "motion": motion, "quads": quads_to_json(quads), "store": store}
    if store == "still":
        body = {"jpg": encoded(picture(h * 2, w * 2, seed), quality=90)}
    else:
        body = {f"{t:03d}.png": encoded(picture(h, w, seed + t), "PNG") for t in range(frames)}
    return body | {"txt": caption.encode(), "json": ClipMeta(**meta).to_json()}


def build_output(folder, captions=None, *, shards=3, each=4, store="frames", failures=()):
    """An output folder with shards, manifest, samples and failures; returns its path as text."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest, samples, number = [], [], 0
    motions = ["zoom_in", "pan_left", "rotate_cw+zoom_in"]
    for s in range(shards):
        name, out = f"{s:05d}.tar", io.BytesIO()
        writer = ShardWriter(out)
        for _ in range(each):
            key, motion = f"{number:07d}", motions[number % 3]
            caption = captions[number] if captions else f"a picture, number {number}"
            members = members_of(key, caption, store, motion, number)
            writer.write(key, members)
            row = {
                "key": key,
                "shard": name,
                "caption": caption,
                "motion": motion,
                "frames": 4,
                "width": 64,
                "height": 48,
            }
            row |= {
                "original_width": 640,
                "original_height": 480,
                "zoom": 1.0 + number % 5 / 10,
                "source": "folder",
            }
            samples.append(row | {"bytes": sum(map(len, members.values())), "url": None, "image_id": key})
            number += 1
        writer.close()
        (folder / name).write_bytes(out.getvalue())
        row = {"shard": name, "samples": each, "bytes": writer.bytes, "sha256": writer.sha256, "task": s}
        manifest.append(
            row | {"first_key": writer.first_key, "last_key": writer.last_key, "fingerprint": "f"}
        )
    for file, rows, schema in (
        ("manifest", manifest, MANIFEST),
        ("samples", samples, SAMPLES),
        ("failures", list(failures), FAILURES),
    ):
        pq.write_table(
            pa.Table.from_pylist(rows, schema=schema), folder / f"{file}.parquet", row_group_size=5
        )
    return str(folder)


@pytest.fixture
def output(tmp_path):
    failures = [
        {
            "key": f"f{i}",
            "stage": "fetch",
            "reason": "http_404",
            "detail": "not there",
            "url": f"http://x/{i}",
            "task": 0,
        }
        for i in range(5)
    ]
    failures.append(
        {"key": "g", "stage": "decode", "reason": "corrupt", "detail": "<b>bad</b>", "url": None, "task": 1}
    )
    return build_output(tmp_path / "clips", failures=failures)


@pytest.fixture(scope="session")
def make_output():
    """`build_output`, for tests that need an output of their own kind."""
    return build_output


@pytest.fixture
def make_picture():
    """`picture`: smooth, colourful, different for each seed."""
    return picture


@pytest.fixture(scope="session")
def make_still():
    """`picture`, for fixtures that live longer than a test."""
    return picture
