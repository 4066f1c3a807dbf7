"""The files of an index: the model that made it, and one folder of plain arrays per shard. They hold no code.

INDEX/
  index.json              format, fingerprint of the model, sizes of the arrays
  model/                  the model (see trainer.model.io), so that a copied index can be searched anywhere
  parts/NAME-HASH/        one shard, written whole or not at all
    part.json             the shard, and its content identifier
    clips.parquet         one row per clip: key, captions
    vectors.npy           float32 [n,E]; inner products are cosines
    tokens.npy mask.npy   float16 [n,T,D], uint8 [n,T]: for re-ranking, if they were asked for
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from annotated_types import Ge, Le, MaxLen, MinLen

from schemas.errors import ConfigError
from schemas.json_text import read_json_as
from schemas.text import one_line
from storage.find import glob_uris
from storage.folders import list_names
from storage.local import check_regular
from storage.read import MAX_JSON, exists, read_bytes
from storage.uris import is_remote, join
from storage.write import remove_folder, write_bytes, written_folder
from trainer.model.io import CONFIG_FILE, model_files

FORMAT = 1
MAX_WIDTH, MAX_CLIPS = 1_000_000, 1_000_000_000  # far more than there can be
INDEX_FILE, MODEL_FOLDER, PARTS_FOLDER = "index.json", "model", "parts"
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
    width: Annotated[int, Ge(1), Le(MAX_WIDTH)]  # E of the vectors
    # (T, D) of the frame tokens, None without
    tokens: tuple[Annotated[int, Ge(1), Le(MAX_WIDTH)], Annotated[int, Ge(1), Le(MAX_WIDTH)]] | None
    format: int = FORMAT


@dataclass(frozen=True)
class PartInfo:
    """part.json."""

    shard: Annotated[str, MinLen(1), MaxLen(4096)]  # absolute path or URI
    content: str  # content identifier, see `trainer.index.identity`
    clips: Annotated[int, Ge(0), Le(MAX_CLIPS)]
    dropped: Annotated[int, Ge(0)]  # samples of the shard that could not be used


@dataclass(frozen=True, eq=False)
class PartArrays:
    """A part's arrays and rows, to be written."""

    keys: Sequence[str]
    captions: Sequence[Sequence[str]]
    vectors_NE: np.ndarray
    tokens_NTD: np.ndarray | None
    mask_NT: np.ndarray | None


class Part:
    """A part. Arrays are mapped, not read, and so need a disk; captions are read when first asked for."""

    def __init__(self, path: str, index: IndexInfo) -> None:
        """Raises ConfigError naming the folder if it does not fit the index."""
        self.path, self._index = path, index
        try:
            self.info = read_json_as(PartInfo, read_bytes(join(path, PART_FILE), MAX_JSON))
        except (OSError, ValueError) as error:
            raise unreadable(join(path, PART_FILE), error) from None

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
        file = join(self.path, CLIPS_FILE)
        try:
            check_regular(file)
            with pq.ParquetFile(file) as stored:
                rows = stored.metadata.num_rows
                if rows != self.info.clips:
                    raise ValueError(f"it has {rows} rows instead of {self.info.clips}")
                table = stored.read().select(CLIPS.names).cast(CLIPS)
            table.validate(full=True)
            texts = pc.list_flatten(table["captions"])
            if any(column.null_count for column in (*table.columns, texts)):
                raise ValueError("a row of it lacks its key or captions")
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise unreadable(file, error) from None
        return table

    def _array(self, name: str, shape: tuple[int, ...], kind: type[np.generic]) -> np.ndarray:
        if not self.info.clips:
            return np.empty(shape, kind)
        file = join(self.path, name)
        try:
            check_regular(file)
            array = np.load(file, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # numpy evaluates the header as an expression of Python
            raise unreadable(file, error) from None
        if not isinstance(array, np.ndarray):
            raise unreadable(file, ValueError("it holds no array"))
        if array.shape != shape or array.dtype != kind:
            raise ConfigError(
                f"index: {file} holds {array.dtype} {list(array.shape)} instead of {kind.__name__} "
                f"{list(shape)}"
            )
        return array


def unreadable(file: str, error: Exception) -> ConfigError:
    """The error for a file of a part that cannot be used."""
    return ConfigError(
        f"index: {file} cannot be read: {one_line(error, 200)}; remove its folder and index again"
    )


def read_info(index: str | Path) -> IndexInfo | None:
    """index.json, None if there is none. Raises ConfigError if it cannot be read or is of another format."""
    file = join(str(index), INDEX_FILE)
    try:
        if not exists(file):
            return None
        info = read_json_as(IndexInfo, read_bytes(file, MAX_JSON))
        if info.format != FORMAT:
            raise ValueError(f"format {info.format} instead of {FORMAT}")
        return info
    except ConfigError:
        raise
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"index: {file} cannot be read: {error}; create the index again in an empty folder"
        ) from None


def create(index: str, checkpoint: Path, info: IndexInfo) -> None:
    """Begin an index: the model first, index.json last, so that an index that has one is whole.

    Raises ConfigError.
    """
    foreign = [
        name for name in list_names(index) if name not in (MODEL_FOLDER, PARTS_FOLDER) and name[0] != "."
    ]
    if foreign:
        raise ConfigError(
            f"output={index} holds {foreign[0]} and no {INDEX_FILE}; give an empty folder or an index"
        )
    with written_folder(join(index, MODEL_FOLDER), last=CONFIG_FILE) as folder:
        for name in model_files(checkpoint):
            shutil.copyfile(checkpoint / name, folder / name)
    _write_json(join(index, INDEX_FILE), asdict(info))


def read_parts(index: str | Path, info: IndexInfo) -> list[Part]:
    """All parts, in name order."""
    parts = join(str(index), PARTS_FOLDER)
    folders = [join(parts, name) for name in list_names(parts) if name[0] != "."]
    if is_remote(parts):  # one that was cut off has no part.json, see `written_folder`
        whole = glob_uris(join(parts, "*", PART_FILE))
        folders = [file.rpartition("/")[0] for file in whole]
    return [Part(folder, info) for folder in folders]


def part_folder(index: str, part: PartInfo) -> str:
    """Return the folder of a part, named after its shard and its content."""
    stem = part.shard.rpartition("/")[2].removesuffix(".tar")[:80]
    return join(index, PARTS_FOLDER, f"{stem}-{hashlib.sha256(part.content.encode()).hexdigest()[:16]}")


def write_part(index: str, part: PartInfo, arrays: PartArrays) -> None:
    """Write a part, whole or not at all."""
    with written_folder(part_folder(index, part), last=PART_FILE) as folder:
        np.save(folder / VECTORS_FILE, arrays.vectors_NE, allow_pickle=False)
        if arrays.tokens_NTD is not None and arrays.mask_NT is not None:
            np.save(folder / TOKENS_FILE, arrays.tokens_NTD, allow_pickle=False)
            np.save(folder / MASK_FILE, arrays.mask_NT, allow_pickle=False)
        table = pa.table(
            {"key": list(arrays.keys), "captions": [list(c) for c in arrays.captions]}, schema=CLIPS
        )
        pq.write_table(table, folder / CLIPS_FILE)
        (folder / PART_FILE).write_text(_json(asdict(part)))


def relocate(part: Part, shard: str) -> None:
    """Record that the same bytes are at another path now."""
    _write_json(join(part.path, PART_FILE), {**asdict(part.info), "shard": shard})


def remove_part(path: str) -> None:
    """Delete a part, if it is there; never half of it under its name."""
    if exists(path):
        remove_folder(path, first=PART_FILE)


def _json(values: dict[str, object]) -> str:
    return json.dumps(values, indent=2) + "\n"


def _write_json(file: str, values: dict[str, object]) -> None:
    write_bytes(file, _json(values).encode())
