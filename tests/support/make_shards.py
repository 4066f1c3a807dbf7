"""Tiny shards for the trainer's tests: coloured pictures, real JPEG and H.264 bytes, all three stores and
real videos.
"""

from __future__ import annotations

import hashlib
import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg

from schemas.clip import ClipMeta, quads_to_json
from schemas.manifest import MANIFEST, MANIFEST_FILE
from storage.shards.read import iter_shard
from storage.shards.write import ShardWriter

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 200, 40),
    "blue": (40, 60, 230),
    "yellow": (230, 220, 40),
    "white": (240, 240, 240),
    "black": (15, 15, 15),
    "purple": (150, 40, 170),
    "orange": (240, 140, 20),
}
FULL = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)


def zoom_quads(frames: int, to: float = 0.6) -> np.ndarray:
    """A camera that moves straight in on the middle: float32 [T,4,2]."""
    scales = np.linspace(1, to, frames, dtype=np.float32)
    return np.stack([(FULL - 0.5) * s + 0.5 for s in scales])


def picture(index: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A picture of its own: a coloured square on another colour, at a place of its own."""
    colours = list(COLOURS.values())
    image = np.empty((height, width, 3), np.uint8)
    image[:] = colours[(index * 3 + 1) % len(colours)]
    top, left = (index * 5) % (height // 2), (index * 7) % (width // 2)
    image[top : top + height // 2, left : left + width // 2] = colours[index % len(colours)]
    return image


def jpeg(image: np.ndarray) -> bytes:
    return simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality=92, colorspace="RGB")


def mp4(frames_THWC: np.ndarray, fps: int = 8) -> bytes:
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(fps), options={"crf": "12", "preset": "ultrafast"}
        )
        stream.height, stream.width, stream.pix_fmt = frames_THWC.shape[1], frames_THWC.shape[2], "yuv420p"
        for frame in frames_THWC:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return out.getvalue()


def sample(
    index: int,
    store: str = "still",
    *,
    frames: int = 4,
    size: int = 32,
    captions: tuple[str, ...] | None = None,
    image_id: str | None = None,
    phrase: str | None = None,
    motion: str = "zoom_in",
    key: str | None = None,
) -> tuple[str, dict[str, bytes]]:
    """Key and members of one sample."""
    key = key or f"s{index:06d}"
    names = list(COLOURS)
    captions = captions or (f"a {names[index % 8]} square on {names[(index * 3 + 1) % 8]} number {index}",)
    members: dict[str, bytes] = {}
    if store == "still":
        members["jpg"] = jpeg(picture(index))
    else:
        clip = np.stack([np.roll(picture(index, size, size), 2 * t, axis=1) for t in range(frames)])
        if store == "mp4":
            members["mp4"] = mp4(clip)
        else:
            members |= {f"{t:03d}.jpg": jpeg(frame) for t, frame in enumerate(clip)}
    video = store == "video"
    meta = ClipMeta(
        key=key,
        caption=captions[0] + (f" {phrase}" if phrase else ""),
        captions=captions,
        source="test",
        store="frames" if video else store,
        frames=frames,
        fps=8.0,
        width=size,
        height=size,
        kind="video" if video else "animated",
        image_id=image_id,
        motion="static" if video else motion,
        motion_phrase=phrase,
        quads=() if video else quads_to_json(zoom_quads(frames)),
        timestamps=tuple(t / 8 for t in range(frames)) if video else (),
    )
    members["txt"] = meta.caption.encode()
    members["json"] = meta.to_json()
    return key, members


def write_shard(path: Path, samples: list[tuple[str, dict[str, bytes]]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        writer = ShardWriter(stream)
        for key, members in samples:
            writer.write(key, members)
        writer.close()
    return path


def write_shards(
    folder: Path, shards: int, each: int, store: str = "still", *, manifest: bool = True, **options
) -> Path:
    """`shards` shards of `each` samples with keys s000000, s000001, ..., and the manifest beside them."""
    for number in range(shards):
        write_shard(
            folder / f"{number:05d}.tar", [sample(number * each + i, store, **options) for i in range(each)]
        )
    if manifest:
        write_manifest(folder)
    return folder


def write_manifest(folder: Path) -> None:
    """The manifest of the shards that are in a folder."""
    rows = []
    for number, path in enumerate(sorted(folder.glob("*.tar"))):
        keys = [found.key for found in iter_shard(str(path))]
        data = path.read_bytes()
        rows.append(
            (
                path.name,
                len(keys),
                len(data),
                hashlib.sha256(data).hexdigest(),
                keys[0],
                keys[-1],
                "f" * 16,
                number,
            )
        )
    table = pa.Table.from_pylist(
        [dict(zip(MANIFEST.names, row, strict=True)) for row in rows], schema=MANIFEST
    )
    pq.write_table(table, folder / MANIFEST_FILE)
