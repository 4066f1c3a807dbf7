"""Do the tables of an output agree with each other and with its files? Asked before anything is made of it.

`zoetrope validate` lists every problem; these functions stop at the first one, and read no shard.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from schemas.errors import ConfigError
from schemas.manifest import MANIFEST_FILE, SAMPLES_FILE, ShardRow
from storage.folders import file_sizes
from storage.shards.read import ShardError
from storage.tables import TableError, iter_batches, read_manifest, table_files
from storage.uris import join

SHARD = ".tar"


def agreed_manifest(output: str) -> list[ShardRow]:
    """The shards of an output whose tables agree: each shard once, and as many rows of it in the samples.

    Raises ConfigError without a manifest or samples, TableError that names the file otherwise.
    """
    try:
        shards = read_manifest(output)
        file = table_files(output, SAMPLES_FILE)[0]
    except FileNotFoundError as error:
        if error.errno is None:  # the manifest; the message says what to do
            raise ConfigError(str(error)) from None
        raise TableError(f"{join(output, SAMPLES_FILE)}: no such table; {what_to_do(output)}") from None
    _check_names(output, shards)
    listed: Counter[str] = Counter()
    for batch in iter_batches(output, SAMPLES_FILE, columns=["shard"]):
        listed.update(batch["shard"].to_pylist())
    for row in shards:
        found = listed.pop(row.shard, 0)
        if found != row.samples:
            raise TableError(
                f"{file}: has {found} rows of {row.shard}, and {MANIFEST_FILE} says {row.samples}; "
                f"{what_to_do(output)}"
            )
    if listed:
        raise TableError(
            f"{file}: has rows of {min(map(str, listed))}, which {MANIFEST_FILE} does not name; "
            f"{what_to_do(output)}"
        )
    return shards


def check_shards(output: str, shards: Sequence[ShardRow]) -> None:
    """Raise ShardError for the first shard that is not there, or is not of the manifest's size."""
    sizes = file_sizes(output, SHARD)
    for row in shards:
        path = join(output, row.shard)
        if row.shard not in sizes:
            raise ShardError(f"{path}: no such shard, but {MANIFEST_FILE} names it; {what_to_do(output)}")
        if sizes[row.shard] != row.bytes:
            raise ShardError(
                f"{path}: has {sizes[row.shard]} bytes, and {MANIFEST_FILE} says {row.bytes}; "
                f"{what_to_do(output)}"
            )


def check_keys(outputs: Sequence[str]) -> None:
    """Raise ConfigError for a key that two outputs have, TableError for one that an output has twice."""
    seen: dict[int, int] = {}  # hash of a key -> output; 10 million keys take about 1 GB
    for number, output in enumerate(outputs):
        for key in _keys(output):
            name = hash(key)
            if name not in seen:
                seen[name] = number
            elif seen[name] == number:
                file = table_files(output, SAMPLES_FILE)[0]
                raise TableError(f"{file}: has the key {key} twice; {what_to_do(output)}")
            else:
                raise ConfigError(
                    f"{output} and {outputs[seen[name]]} both have the key {key}; outputs of one source "
                    "cannot be merged. Read them together instead: data.shards takes a list"
                )


def what_to_do(output: str) -> str:
    """The end of a message about a damaged output."""
    return f"`zoetrope validate {output}` lists every problem; make the output again, or fetch it again"


def _check_names(output: str, shards: Sequence[ShardRow]) -> None:
    names: set[str] = set()
    for row in shards:
        problem = ""
        if row.shard in names:
            problem = f"names {row.shard} twice"
        elif "/" in row.shard or not row.shard.endswith(SHARD):
            problem = f"names {row.shard!r}, which is no shard of this folder"
        if problem:
            raise TableError(f"{join(output, MANIFEST_FILE)}: {problem}; {what_to_do(output)}")
        names.add(row.shard)


def _keys(output: str) -> Iterator[str]:
    for batch in iter_batches(output, SAMPLES_FILE, columns=["key"]):
        yield from batch["key"].to_pylist()
