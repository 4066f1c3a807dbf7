"""What an index is on disk: the model that made it, and a folder a shard with plain arrays. Nothing in it is code.

INDEX/
  index.json              format, fingerprint of the model, sizes of the arrays
  model/                  the model (see trainer.model.io), so that an index can be searched wherever it is copied
  parts/NAME-HASH/        one shard, there whole or not at all
    part.json             which shard, and which bytes of it
    clips.parquet         a row a clip: key, captions
    vectors.npy           float32 [n,E], inner products are cosines
    tokens.npy mask.npy   float16 [n,T,D], uint8 [n,T]: for re-ranking, where they were asked for
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.config import ConfigError

FORMAT = 1
INDEX_FILE, MODEL_FOLDER, PARTS_FOLDER, LOCK_FILE = "index.json", "model", "parts", ".lock"
PART_FILE, CLIPS_FILE, VECTORS_FILE, TOKENS_FILE, MASK_FILE = (
    "part.json",
    "clips.parquet",
    "vectors.npy",
    "tokens.npy",
    "mask.npy",
)
CLIPS = pa.schema([("key", pa.string()), ("captions", pa.list_(pa.string()))])


@dataclass(frozen=True)
class IndexInfo:
    """index.json."""

    model: str  # fingerprint of weights and config
    width: int  # E of the vectors
    tokens: tuple[int, int] | None  # (T, D) of the frame tokens, None without
    format: int = FORMAT


@dataclass(frozen=True)
class PartInfo:
    """part.json."""

    shard: str  # where it lies: an absolute path or a URI
    content: str  # what tells these bytes from others, see `trainer.index.identify`
    clips: int
    dropped: int  # samples of the shard that could not be used


@dataclass(frozen=True, eq=False)
class PartArrays:
    """A part's arrays and rows, to be written."""

    keys: Sequence[str]
    captions: Sequence[Sequence[str]]
    vectors_NE: np.ndarray
    tokens_NTD: np.ndarray | None
    mask_NT: np.ndarray | None


class Part:
    """A part on disk. Arrays are mapped, not read; captions are read when first asked for."""

    def __init__(self, path: Path, index: IndexInfo) -> None:
        """Raises ConfigError naming the folder if it does not fit the index."""
        self.path, self._index = path, index
        try:
            self.info = PartInfo(**json.loads((path / PART_FILE).read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(f"index: {path / PART_FILE} cannot be read: {error}; remove the folder and index again") from None

    @cached_property
    def vectors_NE(self) -> np.ndarray:
        """float32 [n,E]."""
        return self._array(VECTORS_FILE, (self.info.clips, self._index.width), np.float32)

    @cached_property
    def tokens_NTD(self) -> np.ndarray:
        """float16 [n,T,D]. Raises ConfigError if the index was made without."""
        return self._array(TOKENS_FILE, (self.info.clips, *(self._index.tokens or ())), np.float16)

    @cached_property
    def mask_NT(self) -> np.ndarray:
        """uint8 [n,T], 1 = a frame."""
        return self._array(MASK_FILE, (self.info.clips, *(self._index.tokens or ())[:1]), np.uint8)

    @cached_property
    def clips(self) -> pa.Table:
        """Key and captions, a row a clip."""
        try:
            table = pq.read_table(self.path / CLIPS_FILE, schema=CLIPS)
        except (OSError, pa.ArrowException) as error:
            raise ConfigError(f"index: {self.path / CLIPS_FILE} cannot be read: {' '.join(str(error).split())}") from None
        if len(table) != self.info.clips:
            raise ConfigError(f"index: {self.path / CLIPS_FILE} has {len(table)} rows instead of {self.info.clips}")
        return table

    def _array(self, name: str, shape: tuple[int, ...], kind: type[np.generic]) -> np.ndarray:
        if not self.info.clips:
            return np.empty(shape, kind)
        file = self.path / name
        try:
            array: np.ndarray = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ConfigError(f"index: {file} cannot be read: {error}; remove the folder and index again") from None
        if array.shape != shape or array.dtype != kind:
            raise ConfigError(f"index: {file} holds {array.dtype} {list(array.shape)} instead of {kind.__name__} {list(shape)}")
        return array


def read_info(index: Path) -> IndexInfo | None:
    """index.json, None if there is none. Raises ConfigError if it is of another format."""
    file = index / INDEX_FILE
    if not file.exists():
        return None
    try:
        values = json.loads(file.read_text())
        if values.get("format") != FORMAT:
            raise ValueError(f"format {values.get('format')} instead of {FORMAT}")
        tokens = values["tokens"]
        return IndexInfo(
            str(values["model"]), int(values["width"]), None if tokens is None else (int(tokens[0]), int(tokens[1]))
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"index: {file} cannot be read: {error}; make the index anew in an empty folder") from None


def create(index: Path, checkpoint: Path, info: IndexInfo) -> None:
    """Begin an index: the model first, index.json last, so that an index that has one is whole. Raises ConfigError."""
    foreign = [p.name for p in index.iterdir() if p.name not in (MODEL_FOLDER, PARTS_FOLDER, LOCK_FILE) and p.name[0] != "."]
    if foreign:
        raise ConfigError(f"output={index} holds {foreign[0]} and no {INDEX_FILE}; give an empty folder or an index")
    partial = index / f".{MODEL_FOLDER}.partial"
    for path in (partial, index / MODEL_FOLDER):
        shutil.rmtree(path, ignore_errors=True)
    partial.mkdir()
    for name in ("model.safetensors", "config.json"):
        shutil.copyfile(checkpoint / name, partial / name)
    os.replace(partial, index / MODEL_FOLDER)
    (index / PARTS_FOLDER).mkdir(exist_ok=True)
    _write_json(index / INDEX_FILE, asdict(info))


def read_parts(index: Path, info: IndexInfo) -> list[Part]:
    """All parts, in name order."""
    folders = sorted(path for path in (index / PARTS_FOLDER).iterdir() if path.is_dir() and path.name[0] != ".")
    return [Part(path, info) for path in folders]


def part_folder(index: Path, part: PartInfo) -> Path:
    """Where a part lies: named after its shard and its content."""
    stem = part.shard.rpartition("/")[2].removesuffix(".tar")[:80]
    return index / PARTS_FOLDER / f"{stem}-{hashlib.sha256(part.content.encode()).hexdigest()[:16]}"


def write_part(index: Path, part: PartInfo, arrays: PartArrays) -> None:
    """Write a part under a name of its own, then move it to its place."""
    final = part_folder(index, part)
    partial = final.with_name(f".{final.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    np.save(partial / VECTORS_FILE, arrays.vectors_NE, allow_pickle=False)
    if arrays.tokens_NTD is not None and arrays.mask_NT is not None:
        np.save(partial / TOKENS_FILE, arrays.tokens_NTD, allow_pickle=False)
        np.save(partial / MASK_FILE, arrays.mask_NT, allow_pickle=False)
    table = pa.table({"key": list(arrays.keys), "captions": [list(c) for c in arrays.captions]}, schema=CLIPS)
    pq.write_table(table, partial / CLIPS_FILE)
    _write_json(partial / PART_FILE, asdict(part))
    for file in partial.iterdir():
        with file.open("rb") as stream:
            os.fsync(stream.fileno())  # what is there after a power cut is whole
    if final.exists():
        remove_part(final)
    os.replace(partial, final)


def relocate(part: Part, shard: str) -> None:
    """Note that the same bytes lie elsewhere now."""
    _write_json(part.path / PART_FILE, {**asdict(part.info), "shard": shard})


def remove_part(path: Path) -> None:
    """Delete a part; never half of it under its name."""
    gone = path.with_name(f".{path.name}.gone")
    shutil.rmtree(gone, ignore_errors=True)
    os.replace(path, gone)
    shutil.rmtree(gone)


@contextmanager
def writing(index: Path) -> Iterator[None]:
    """Make the folder and hold its lock, which dies with this process. Raises ConfigError if another writes there."""
    try:
        index.mkdir(parents=True, exist_ok=True)
        lock = (index / LOCK_FILE).open("w")
    except OSError as error:
        raise ConfigError(f"output={index} cannot be written: {error}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"output={index}: another `zoetrope index` is writing there; wait for it to end") from None
        yield


def _write_json(file: Path, values: dict[str, object]) -> None:
    partial = file.with_name(f".{file.name}.partial")
    partial.write_text(json.dumps(values, indent=2) + "\n")
    os.replace(partial, file)
