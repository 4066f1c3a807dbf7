"""The tables of an output, which are the contract with readers.

They have one row per shard, written sample and failed input.

output/
  00000.tar ...            the shards
  manifest.parquet         one row per shard            MANIFEST
  samples.parquet          one row per written sample   SAMPLES
  failures.parquet         one row per failed input     FAILURES
  sizes.json wids.json config.yaml README.md croissant.json report.html report.json
  _zoetrope/               bookkeeping of the job: lock, plan, one record per task, temporary files
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

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
        # square root of picture area over the tightest view's area; 1 = whole picture
        ("zoom", pa.float32()),
        ("bytes", pa.int64()),  # all members of the sample, without tar headers
        ("source", pa.string()),
        ("url", pa.string()),
        ("image_id", pa.string()),
        ("scores", pa.string()),  # JSON, {filter: number} as in KEY.json; null without filters
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
        ("scores", pa.string()),  # JSON, of the filters that were called before the failure
    ]
)

MANIFEST_FILE, SAMPLES_FILE, FAILURES_FILE = "manifest.parquet", "samples.parquet", "failures.parquet"


@dataclass(frozen=True)
class ShardRow:
    """One row of the manifest."""

    shard: str  # file name
    samples: int
    bytes: int
    sha256: str
    first_key: str
    last_key: str
    fingerprint: str
    task: int
