"""The vectors of an index for other tools: Parquet, NumPy and faiss.

Inner products of the vectors are cosines. Row i of every array is row i of ``clips.parquet``.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import ConfigError
from trainer.index.store import IndexInfo, Part

VECTORS, CLIPS, FAISS = "vectors.npy", "clips.parquet", "index.faiss"
CLIP_COLUMNS = [("key", pa.string()), ("captions", pa.list_(pa.string())), ("shard", pa.string())]
ROWS = 65_536  # vectors that are read at a time


def write_parquet(info: IndexInfo, parts: Sequence[Part], file: Path) -> str:
    """Write one table: key, captions, shard, vector (fixed_size_list<float>[E]). Returns how to read it."""
    schema = pa.schema([*CLIP_COLUMNS, ("vector", pa.list_(pa.float32(), info.width))])
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for part in parts:
            for start in range(0, part.info.clips, ROWS):
                rows = _rows(part, start)
                flat = pa.array(np.ascontiguousarray(part.vectors_NE[start : start + ROWS]).reshape(-1))
                vectors = pa.FixedSizeListArray.from_arrays(flat, info.width)
                writer.write_table(pa.table([*rows.columns, vectors], schema=schema))
    return "pyarrow.parquet.read_table('{output}')"


def write_npy(info: IndexInfo, parts: Sequence[Part], folder: Path) -> str:
    """Write vectors.npy, float32 [n,E], and clips.parquet into a local folder. Returns how to read them."""
    count = sum(len(part.vectors_NE) for part in parts)
    if count:
        array = np.lib.format.open_memmap(folder / VECTORS, "w+", np.float32, (count, info.width))
        at = 0
        for part in parts:
            array[at : at + part.info.clips] = part.vectors_NE
            at += part.info.clips
        array.flush()
    else:  # a file of no bytes cannot be mapped
        np.save(folder / VECTORS, np.empty((0, info.width), np.float32), allow_pickle=False)
    _write_clips(parts, folder)
    return f"numpy.load('{{output}}/{VECTORS}', mmap_mode='r')"


def write_faiss(info: IndexInfo, parts: Sequence[Part], folder: Path) -> str:
    """Write index.faiss, an exact IndexFlatIP, and clips.parquet. Returns how to read them.

    Raises ConfigError if faiss is not installed.
    """
    faiss = _faiss()
    index = faiss.IndexFlatIP(info.width)
    for part in parts:
        for start in range(0, part.info.clips, ROWS):
            index.add(np.ascontiguousarray(part.vectors_NE[start : start + ROWS]))
    faiss.write_index(index, str(folder / FAISS))
    _write_clips(parts, folder)
    return f"faiss.read_index('{{output}}/{FAISS}')"


def _faiss() -> Any:
    try:
        return importlib.import_module("faiss")
    except ImportError:
        raise ConfigError("--to faiss needs faiss: pip install faiss-cpu; or use --to npy") from None


def _write_clips(parts: Sequence[Part], folder: Path) -> None:
    with pq.ParquetWriter(folder / CLIPS, pa.schema(CLIP_COLUMNS)) as writer:
        for part in parts:
            for start in range(0, part.info.clips, ROWS):
                writer.write_table(_rows(part, start))


def _rows(part: Part, start: int) -> pa.Table:
    clips = part.clips.slice(start, ROWS)
    shards = pa.array([part.info.shard] * len(clips), pa.string())
    return pa.table([*clips.columns, shards], schema=pa.schema(CLIP_COLUMNS))
