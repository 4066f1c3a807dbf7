"""The tables beside the shards: what was written, sample by sample, and what failed. The contract with readers.

output/
  00000.tar ...            the shards
  manifest.parquet         a row a shard            MANIFEST
  samples.parquet          a row a written sample   SAMPLES
  failures.parquet         a row a failed input     FAILURES
  sizes.json wids.json config.yaml README.md croissant.json report.html report.json
  _zoetrope/               the job's own: lock, plan, one record a task, temporary files
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storage.files import exists, glob_uris, join, list_uris, open_uri

MANIFEST = pa.schema(
    [
        ("shard", pa.string()),  # file name, relative to the output
        ("samples", pa.int64()),
        ("bytes", pa.int64()),
        ("sha256", pa.string()),
        ("first_key", pa.string()),
        ("last_key", pa.string()),
        ("fingerprint", pa.string()),  # of the config that made it
        ("task", pa.int64()),  # position in the plan
    ]
)
SAMPLES = pa.schema(
    [
        ("key", pa.string()),
        ("shard", pa.string()),
        ("caption", pa.string()),
        ("motion", pa.string()),  # "" for real videos
        ("frames", pa.int32()),
        ("width", pa.int32()),  # of a frame, pixels
        ("height", pa.int32()),
        ("original_width", pa.int32()),
        ("original_height", pa.int32()),
        (
            "zoom",
            pa.float32(),
        ),  # picture area over the tightest view's area, square-rooted; 1 = the whole picture
        ("bytes", pa.int64()),  # all members of the sample, without tar headers
        ("source", pa.string()),
        ("url", pa.string()),
        ("image_id", pa.string()),
    ]
)
FAILURES = pa.schema(
    [
        ("key", pa.string()),
        ("stage", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("url", pa.string()),
        ("task", pa.int64()),
    ]
)

MANIFEST_FILE, SAMPLES_FILE, FAILURES_FILE = "manifest.parquet", "samples.parquet", "failures.parquet"


@dataclass(frozen=True)
class ShardRow:
    """One shard, as the manifest has it."""

    shard: str  # file name
    samples: int
    bytes: int
    sha256: str
    first_key: str
    last_key: str
    fingerprint: str
    task: int


def read_manifest(output: str) -> list[ShardRow]:
    """The shards of an output folder (local or URI), in name order. Raises FileNotFoundError with what to do."""
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
    """Stream the rows of one of the tables as dicts (of all `columns`, or these), without holding the table."""
    with open_uri(join(output, name)) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(batch_size=batch_rows, columns=columns):
            yield from batch.to_pylist()


def expand_shards(pattern: str) -> list[str]:
    """Shard URIs from a folder, a glob, or a brace range (``clips/{00000..00331}.tar``), sorted; ValueError if none."""
    if "://" not in pattern and Path(pattern).is_dir():  # its name may hold any character
        uris = list_uris(pattern, ".tar")
    elif "{" in pattern:
        import braceexpand

        uris = [
            uri
            for part in braceexpand.braceexpand(pattern)
            for uri in (glob_uris(part) if "*" in part else [part])
        ]
    elif pattern.endswith(".tar") and not any(c in pattern for c in "*?["):
        uris = [pattern]
    elif any(c in pattern for c in "*?["):
        uris = glob_uris(pattern)
    else:
        uris = list_uris(pattern, ".tar")
    if not uris:
        raise ValueError(
            f"shards {pattern!r}: nothing matches; give a folder, a glob such as clips/*.tar, or a brace range"
        )
    return uris
