"""Validate an output: check every shard against the manifest, and every member against its KEY.json."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

import pyarrow as pa
from tqdm import tqdm

from schemas.clip import ClipMeta
from schemas.json_text import JsonError, read_json
from schemas.manifest import MANIFEST_FILE, SAMPLES_FILE, ShardRow
from schemas.text import first_few, one_line
from storage.folders import list_uris
from storage.ordered import in_order
from storage.read import exists, open_uri
from storage.shards.read import RawSample, ShardError, iter_shard
from storage.tables import has_table, iter_batches, read_manifest
from storage.uris import join
from transforms.stores.registry import find_store

Indexed = tuple[int, str]  # rows in the table of samples, digest of their keys
MOST_PROBLEMS_A_SHARD = 5  # further ones of the same shard are only counted


@dataclass
class Validation:
    """The content that was checked, and its problems, one line each."""

    shards: int = 0
    samples: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Is nothing wrong?"""
        return not self.problems


class HashingReader:
    """A stream that hashes and counts its bytes, so that a shard is read once for checksum and samples."""

    def __init__(self, uri: str) -> None:
        self._stream = open_uri(uri)
        self._hash = hashlib.sha256()
        self.bytes = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data: bytes = self._stream.read(size)
        self._hash.update(data)
        self.bytes += len(data)
        return data

    def finish(self) -> str:
        """Read the rest and close the stream. Returns the SHA-256 of all bytes, as hex digits."""
        while self.read(1 << 20):
            pass
        self._stream.close()
        return self._hash.hexdigest()

    def close(self) -> None:
        """Do nothing: the bytes behind a broken member belong to the checksum too, so `finish` closes."""


def validate(
    output: str, *, decode: bool = True, workers: int | None = None, progress: bool = False
) -> Validation:
    """Check an output folder (local or URI).

    `decode` also decodes every frame, clip and still; without it members are only counted and hashed.
    `workers` is the number of shards looked at together (default: all cores). Raises FileNotFoundError if
    there is no manifest.
    """
    rows = read_manifest(output)
    indexed = indexed_keys(output)
    threads = workers or os.cpu_count() or 1

    def check(row: ShardRow) -> list[str]:
        return check_shard(output, row, indexed.get(row.shard), decode)

    with ThreadPoolExecutor(threads) as pool:
        checks = in_order(lambda row: pool.submit(check, row), rows, calls=2 * threads)
        result = sum_up(rows, tqdm(checks, total=len(rows), unit="shard", disable=not progress))
    result.problems += check_folder(output, rows, indexed)
    return result


def sum_up(rows: Iterable[ShardRow], found: Iterable[list[str]]) -> Validation:
    """Put the problems of each shard into one report. Both are in the same order."""
    result = Validation()
    for row, problems in zip(rows, found, strict=True):
        result.shards += 1
        result.samples += row.samples
        result.bytes += row.bytes
        result.problems += shortened(row, problems)
    return result


def shortened(row: ShardRow, problems: list[str]) -> list[str]:
    """The first few problems of a shard, and the number of the others."""
    more = len(problems) - MOST_PROBLEMS_A_SHARD
    if more <= 0:
        return problems
    return [*problems[:MOST_PROBLEMS_A_SHARD], f"{row.shard}: and {more} more problems"]


def indexed_keys(output: str) -> dict[str, Indexed]:
    """Shard -> what the table of samples says of it; {} if there is no such table."""
    if not has_table(output, SAMPLES_FILE):
        return {}
    return index_batches(iter_batches(output, SAMPLES_FILE, columns=("shard", "key")))


def index_batches(batches: Iterable[pa.RecordBatch]) -> dict[str, Indexed]:
    """Shard -> number of its rows, and a digest of their keys in order, over batches of `shard` and `key`."""
    counts: dict[str, int] = {}
    digests: dict[str, hashlib._Hash] = {}
    for batch in batches:
        pairs = zip(batch["shard"].to_pylist(), batch["key"].to_pylist(), strict=True)
        for shard, group in groupby(pairs, key=itemgetter(0)):
            keys = [key for _, key in group]
            counts[shard] = counts.get(shard, 0) + len(keys)
            digests.setdefault(shard, hashlib.sha256()).update(_lines(keys))
    return {shard: (count, digests[shard].hexdigest()) for shard, count in counts.items()}


def _lines(keys: list[str]) -> bytes:
    return "".join(f"{key}\n" for key in keys).encode()


def check_shard(output: str, row: ShardRow, indexed: Indexed | None, decode: bool) -> list[str]:
    """Every problem of one shard, each a line that begins with its name."""
    uri = join(output, row.shard)
    problems: list[str] = []
    keys: list[str] = []
    try:
        reader = HashingReader(uri)
    except OSError as error:
        return [f"{row.shard}: cannot be opened: {error}"]
    try:
        for sample in iter_shard(row.shard, stream=reader):  # type: ignore[arg-type]
            keys.append(sample.key)
            problems += [f"{row.shard}: {sample.key}: {text}" for text in _check_sample(sample, decode)]
    except ShardError as error:
        text = str(error).partition("; run `zoetrope validate`")[0]  # which runs here
        if not text.startswith(row.shard):
            text = f"{row.shard}: {text}"
        problems.append(text)
    sha256 = reader.finish()
    expected = (row.bytes, row.sha256, row.samples, row.first_key, row.last_key)
    first = last = ""
    if keys:
        first, last = keys[0], keys[-1]
    found = (reader.bytes, sha256, len(keys), first, last)
    names = ("bytes", "sha256", "samples", "first key", "last key")
    differing = [f"{n} {f} instead of {e}" for n, e, f in zip(names, expected, found, strict=True) if e != f]
    if differing:
        problems.insert(0, f"{row.shard}: not what the manifest says: {', '.join(differing)}")
    if keys != sorted(keys):
        problems.append(f"{row.shard}: keys are not in order")
    if indexed is not None and indexed != (len(keys), hashlib.sha256(_lines(keys)).hexdigest()):
        problems.append(
            f"{row.shard}: {SAMPLES_FILE} lists {indexed[0]} samples with other keys than the shard's "
            f"{len(keys)}"
        )
    return problems


def _check_sample(sample: RawSample, decode: bool) -> Iterator[str]:
    """Yield the problems of one sample, a line each."""
    try:
        meta = ClipMeta.from_json(sample.members["json"])
        text = sample.members["txt"].decode()
    except (KeyError, ValueError) as error:
        yield f"member missing or unreadable: {error}"
        return
    if meta.key != sample.key:
        yield f"KEY.json says key {meta.key}"
    if text != meta.caption or not text:
        yield f"KEY.txt {text[:40]!r} is not the caption in KEY.json"
    quads = meta.quads_T42()
    if meta.kind == "animated" and (len(quads) != meta.frames or not ((quads >= 0) & (quads <= 1)).all()):
        yield f"quads: {len(quads)} for {meta.frames} frames, or a corner outside the picture"
    if decode:
        yield from _check_pixels(sample, meta)


def _check_pixels(sample: RawSample, meta: ClipMeta) -> Iterator[str]:
    """Decode what is stored: frames of the right number and size, a whole clip, or a whole still."""
    try:
        shapes = find_store(meta.store).shapes(sample.members, meta)
    except Exception as error:  # a decoder of hostile bytes raises any; all mean the same here
        yield f"does not decode: {one_line(error, 200)}"
        return
    if len(shapes) != meta.frames:
        yield f"{len(shapes)} frames instead of {meta.frames}"
    if any(shape != (meta.height, meta.width) for shape in shapes):
        yield f"frames of {sorted(set(shapes))} (height, width) instead of {(meta.height, meta.width)}"


def check_folder(output: str, rows: list[ShardRow], indexed: Collection[str]) -> list[str]:
    """The problems outside the shards: tars without a manifest row, indexes that disagree.

    `indexed` are the shards that the table of samples names.
    """
    problems = []
    named = {row.shard for row in rows}
    if len(named) != len(rows):
        problems.append(f"{MANIFEST_FILE}: a shard is named twice")
    for uri in list_uris(output, ".tar"):
        name = uri.rsplit("/", 1)[-1]
        if name not in named:
            problems.append(
                f"{name}: not in {MANIFEST_FILE}; run the job again to finish it, or remove the file"
            )
    for shard in sorted(set(indexed) - named):
        problems.append(f"{SAMPLES_FILE}: names {shard}, which {MANIFEST_FILE} does not")
    missing = [row.shard for row in rows if row.shard not in indexed]
    if missing:
        problems.append(f"{SAMPLES_FILE}: has no rows for {first_few(missing, 3)}")
    sizes = join(output, "sizes.json")
    if exists(sizes):
        with open_uri(sizes) as stream:
            try:
                found = read_json(stream.read())
            except JsonError:
                found = None
        if found != {row.shard: row.samples for row in rows}:
            problems.append(f"sizes.json: does not agree with {MANIFEST_FILE}")
    return problems
