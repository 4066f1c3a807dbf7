"""The tables of an output folder, read row by row, and the shards that a pattern names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import braceexpand
import pyarrow.parquet as pq

from schemas.manifest import MANIFEST, MANIFEST_FILE, ShardRow
from storage.find import glob_uris, list_names, list_uris
from storage.read import exists, open_uri
from storage.uris import join


def read_manifest(output: str) -> list[ShardRow]:
    """The shards of an output folder (local or URI), in name order. Raises FileNotFoundError with what to
    do.
    """
    path = join(output, MANIFEST_FILE)
    if not exists(path):
        raise FileNotFoundError(
            f"{path}: no manifest there; run `zoetrope animate ... output={output}` (again) to finish the job"
        )
    with open_uri(path) as stream:
        rows = pq.read_table(stream, schema=MANIFEST).to_pylist()
    return [ShardRow(**row) for row in rows]


def iter_rows(
    output: str, name: str, *, columns: Sequence[str] | None = None, batch_rows: int = 8192
) -> Iterator[dict[str, Any]]:
    """Stream the rows of one of the tables as dicts (of all `columns`, or these), without holding the
    table.
    """
    with open_uri(join(output, name)) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(batch_size=batch_rows, columns=columns):
            yield from batch.to_pylist()


def expand_shards(pattern: str) -> list[str]:
    """Shard URIs from a folder, a glob, or a brace range (``clips/{00000..00331}.tar``), sorted.

    Raises ValueError if there are none, or if a brace range names a shard that is not there.
    """
    if "://" not in pattern and Path(pattern).is_dir():  # its name may hold any character
        uris = list_uris(pattern, ".tar")
    elif "{" in pattern:
        parts = list(braceexpand.braceexpand(pattern))
        _check_all_there([part for part in parts if "*" not in part], pattern)
        uris = [uri for part in parts for uri in (glob_uris(part) if "*" in part else [part])]
    elif pattern.endswith(".tar") and not any(c in pattern for c in "*?["):
        uris = [pattern]
    elif any(c in pattern for c in "*?["):
        uris = glob_uris(pattern)
    else:
        uris = list_uris(pattern, ".tar")
    if not uris:
        raise ValueError(
            f"shards {pattern!r}: nothing matches; give a folder, a glob such as clips/*.tar, or a brace "
            "range"
        )
    return uris


def _check_all_there(uris: Sequence[str], pattern: str) -> None:
    """Raises ValueError for a shard of a brace range that is missing: a gap would silently be left out
    otherwise.
    """
    folders: dict[str, set[str]] = {}
    missing = []
    for uri in uris:
        folder, slash, name = uri.rpartition("/")
        if folder not in folders:
            folders[folder] = set(list_names(folder + slash if folder or slash else "."))
        if name not in folders[folder]:
            missing.append(uri)
    if missing:
        raise ValueError(
            f"shards {pattern!r}: {missing[0]} is not there, and {len(missing)} of its {len(uris)} "
            "shards are missing; "
            "check the range"
        )
