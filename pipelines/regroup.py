"""Outputs into one, or one output into parts: `zoetrope merge` and `zoetrope split`.

The results have shards, tables and indexes as an output has, and no job. They are read, validated and indexed
as any output, but neither resumed nor retried. The manifest is written last, so a folder with one is whole.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from itertools import groupby
from typing import Any, Self

import pyarrow as pa

from pipelines.output.pages.indexes import sizes_json, wids_json
from pipelines.output.pages.regrouped import CONFIG_FILES, configs_of, pages
from pipelines.output.record import with_columns
from pipelines.output.tables.agree import agreed_manifest, check_keys, check_shards, what_to_do
from pipelines.output.tables.fold import TableFile
from pipelines.output.validate import HashingReader
from schemas.errors import ConfigError
from schemas.manifest import (
    FAILURES,
    FAILURES_FILE,
    MANIFEST,
    MANIFEST_FILE,
    SAMPLES,
    SAMPLES_FILE,
    ShardRow,
)
from storage.folders import first_name
from storage.read import open_uri
from storage.shards.read import RawSample, ShardError, iter_shard
from storage.shards.write import ShardWriter
from storage.tables import has_table, iter_batches, iter_rows
from storage.uris import absolute, is_remote, join, name_of
from storage.write import create_file, remove_empty_folder, remove_file, remove_listed, write_bytes

CHUNK = 4 << 20  # bytes of a shard that are copied at a time
SIZES_FILE, WIDS_FILE = "sizes.json", "wids.json"
OTHER_FILES = (SIZES_FILE, WIDS_FILE, "README.md", "croissant.json", *CONFIG_FILES)


class NewOutput:
    """Shards and tables that are being written to a new folder. They count once its block has ended well."""

    def __init__(self, uri: str, configs: Sequence[Mapping[str, Any]] = ()) -> None:
        """`configs` are those of its inputs. Raises ConfigError if the folder is not empty."""
        self.uri = absolute(uri).rstrip("/")
        foreign = first_name(self.uri)
        if foreign is not None:
            raise ConfigError(f"output {uri}: holds {foreign}; give a new or empty folder")
        self.shards: list[ShardRow] = []
        self.reasons: Counter[str] = Counter()  # of the failures
        self._configs = configs

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self.samples = self._stack.enter_context(TableFile(join(self.uri, SAMPLES_FILE), SAMPLES))
        self.failures = self._stack.enter_context(TableFile(join(self.uri, FAILURES_FILE), FAILURES))
        return self

    def __exit__(self, *error: Any) -> None:
        is_whole = False
        try:
            self._stack.__exit__(*error)
            if error[0] is None:
                self._index()
                is_whole = True
        finally:
            if not is_whole:
                self._remove()

    def next_name(self) -> str:
        """The name of the next shard."""
        return f"{len(self.shards):05d}.tar"

    def copy(self, uri: str, row: ShardRow) -> str:
        """Copy a shard, and check it on the way. Returns its new name. Raises ShardError."""
        name, digest = self.next_name(), hashlib.sha256()
        with open_uri(uri) as stream, create_file(join(self.uri, name)) as new:
            while data := stream.read(CHUNK):
                digest.update(data)
                new.write(data)
        if digest.hexdigest() != row.sha256:
            raise _changed(uri)
        self.shards.append(replace(row, shard=name, task=len(self.shards)))
        return name

    def _index(self) -> None:
        """Write the indexes and pages, and the manifest as the last file."""
        write_bytes(join(self.uri, SIZES_FILE), sizes_json(self.shards))
        write_bytes(join(self.uri, WIDS_FILE), wids_json(name_of(self.uri), self.shards))
        for name, data in pages(self.uri, self._configs, self.shards, self.reasons).items():
            write_bytes(join(self.uri, name), data)
        with TableFile(join(self.uri, MANIFEST_FILE), MANIFEST) as table:
            table.append(pa.Table.from_pylist([asdict(row) for row in self.shards], MANIFEST))

    def _remove(self) -> None:
        """Remove what was written, and the folder if nothing else is in it."""
        shards = [row.shard for row in self.shards]
        names = [MANIFEST_FILE, *shards, self.next_name(), SAMPLES_FILE, FAILURES_FILE, *OTHER_FILES]
        if is_remote(self.uri):
            remove_listed(self.uri, names)
            return
        for name in names:
            remove_file(join(self.uri, name))
        remove_empty_folder(self.uri)


def merge(outputs: Sequence[str], to: str) -> list[ShardRow]:
    """Copy the shards of several outputs into one, under new names. Returns its shards.

    Raises ConfigError for what is no finished output, and for a key that two of them have. Raises TableError
    for tables that disagree, and ShardError for a shard whose bytes are not those of its manifest. After an
    error nothing of the new output is left.
    """
    if len(set(outputs)) < len(outputs):
        raise ConfigError("an output is given twice; its keys would repeat")
    manifests = {output: agreed_manifest(output) for output in outputs}
    for output, shards in manifests.items():
        check_shards(output, shards)
    check_keys(outputs)
    with NewOutput(to, configs_of(outputs)) as new:
        for output, shards in manifests.items():
            names = {row.shard: new.copy(join(output, row.shard), row) for row in shards}
            for batch in iter_batches(output, SAMPLES_FILE):
                new.samples.append(_renamed(batch, names))
            if has_table(output, FAILURES_FILE):
                for batch in iter_batches(output, FAILURES_FILE):
                    new.failures.append(with_columns(pa.Table.from_batches([batch]), FAILURES).cast(FAILURES))
                    new.reasons.update(batch["reason"].to_pylist())
        return new.shards


def split(output: str, shares: Mapping[str, float], to: str, *, seed: int = 0) -> dict[str, list[ShardRow]]:
    """Write every sample of an output to one of several, TO/NAME, by shares. Returns name -> shards.

    A picture or video goes to one side with all its clips: the side is drawn from its `image_id` (else the
    key) and the seed. Shards keep the largest number of samples that the output has. Failures are left out.
    Raises as `merge`, and ConfigError for shares that are not above 0.
    """
    if not shares or any(not share > 0 for share in shares.values()):
        raise ConfigError("shares must be above 0, e.g. train=0.9 val=0.1")
    shards = agreed_manifest(output)
    check_shards(output, shards)
    check_keys([output])
    most = max((row.samples for row in shards), default=1)
    rows = groupby(iter_rows(output, SAMPLES_FILE), key=lambda row: row["shard"])
    with ExitStack() as stack:
        configs = configs_of([output])
        parts = {name: stack.enter_context(_Part(join(to, name), most, configs)) for name in shares}
        for shard in shards:
            own = {row["key"]: row for row in next(rows, ("", ()))[1]}
            for sample in _checked_samples(join(output, shard.shard), shard):
                if sample.key not in own:
                    raise ShardError(
                        f"{sample.shard}: its sample {sample.key} has no row at its place in {SAMPLES_FILE}; "
                        f"{what_to_do(output)}"
                    )
                row = own[sample.key]
                name = side_of(row["image_id"] or sample.key, shares, seed)
                parts[name].add(sample.key, sample.members, row, shard.fingerprint)
    return {name: part.new.shards for name, part in parts.items()}


def side_of(identity: str, shares: Mapping[str, float], seed: int) -> str:
    """Draw the side of a picture from its identity: the same one in every run."""
    digest = hashlib.blake2b(f"{seed}\x1f{identity}".encode(), digest_size=8).digest()
    place = int.from_bytes(digest, "big") / 2**64 * sum(shares.values())
    for name, share in shares.items():
        if place < share:
            return name
        place -= share
    return name  # rounding


class _Part:
    """One side of a split."""

    def __init__(self, uri: str, most: int, configs: Sequence[Mapping[str, Any]]) -> None:
        self.new, self._most = NewOutput(uri, configs), most
        self._stream: Any = None
        self._writer: ShardWriter  # of the stream, where there is one
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self._stack.enter_context(self.new)
        self._stack.push(self._close)
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def _close(self, *error: Any) -> None:
        if error[0] is None:
            self._end()
        elif self._stream is not None:
            self._stream.__exit__(*error)

    def add(self, key: str, members: Mapping[str, bytes], row: dict[str, Any], fingerprint: str) -> None:
        """Write a sample. Keys are in order within a shard: a lower one, of a retry, begins the next."""
        if self._stream is not None and key < self._writer.last_key:
            self._end()
        if self._stream is None:
            self._stream = create_file(join(self.new.uri, self.new.next_name()))
            self._writer = ShardWriter(self._stream)
        self._writer.write(key, members)
        self._rows.append({**row, "shard": self.new.next_name()})
        self._fingerprint = fingerprint
        if self._writer.samples == self._most:
            self._end()

    def _end(self) -> None:
        if self._stream is None:
            return
        self._writer.close()
        self._stream.close()
        self._stream, writer = None, self._writer
        name = self.new.next_name()
        counts = (writer.samples, writer.bytes, writer.sha256, writer.first_key, writer.last_key)
        self.new.shards.append(ShardRow(name, *counts, self._fingerprint, len(self.new.shards)))
        self.new.samples.append(pa.Table.from_pylist(self._rows, SAMPLES))
        self._rows = []


def _checked_samples(uri: str, row: ShardRow) -> Iterator[RawSample]:
    """The samples of a shard. Raises ShardError, at the end too if its bytes are not the manifest's."""
    stream = HashingReader(uri)
    yield from iter_shard(uri, stream=stream)  # type: ignore[arg-type]
    if stream.finish() != row.sha256:
        raise _changed(uri)


def _changed(uri: str) -> ShardError:
    output = uri.rpartition("/")[0]
    return ShardError(f"{uri}: its bytes are not those of the manifest; {what_to_do(output)}")


def _renamed(batch: pa.RecordBatch, names: Mapping[str, str]) -> pa.Table:
    table = pa.Table.from_batches([batch])
    shards = pa.array([names[name] for name in table["shard"].to_pylist()], pa.string())
    renamed = table.set_column(table.column_names.index("shard"), "shard", shards)
    return with_columns(renamed, SAMPLES).cast(SAMPLES)
