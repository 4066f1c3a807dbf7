"""The files of a finished output that readers need: shards, tables and pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.output.folder import Output
from pipelines.output.listing import PAGES
from pipelines.output.pages.regrouped import CONFIG_FILES
from schemas.errors import ConfigError
from schemas.manifest import FAILURES_FILE, MANIFEST_FILE, SAMPLES_FILE
from storage.folders import file_sizes
from storage.read import open_uri
from storage.tables import read_manifest
from storage.uris import join

README = "README.md"
FRONT_MATTER = b"---\n"
TABLES = (SAMPLES_FILE, FAILURES_FILE)
MONITORING = "metrics.prom"  # for this machine alone: it names the absolute folder of the output
DATA = (".tar", ".parquet")  # endings of files that the hub's readers would take for data


@dataclass(frozen=True)
class OutputFile:
    """One file of an output."""

    name: str  # relative to the output
    size: int  # bytes
    sha256: str | None = None  # of a shard, by the manifest


def finished_files(uri: str) -> list[OutputFile]:
    """Shards, then tables and pages; README.md and the manifest are the last ones.

    Raises ConfigError if the output is not finished, or a shard is missing or of another size.
    """
    output = Output(uri)
    if output.is_ours() and output.read_state("finished.json") is None:
        raise ConfigError(f"{uri}: the job is not finished; run its command again, and push then")
    try:
        manifest = read_manifest(uri)
    except FileNotFoundError as error:
        raise ConfigError(str(error)) from None
    sizes = file_sizes(uri, "")
    for row in manifest:
        if sizes.get(row.shard) != row.bytes:
            there = "is missing"
            if row.shard in sizes:
                there = f"has {sizes[row.shard]} bytes"
            raise ConfigError(
                f"{uri}: {row.shard} {there}, and the manifest says {row.bytes}; `zoetrope validate {uri}` "
                "says more"
            )
    _check_readme(uri, sizes)
    shards = [OutputFile(row.shard, row.bytes, row.sha256) for row in manifest]
    names = [
        name for name in (*PAGES, *CONFIG_FILES[1:]) if name in sizes and name not in (README, MONITORING)
    ]
    pages = [OutputFile(name, sizes[name]) for name in names]
    last = [OutputFile(name, sizes[name]) for name in (MANIFEST_FILE, README)]
    return [*shards, *_tables(uri, sizes), *pages, *last]


def is_stale(name: str, files: set[str]) -> bool:
    """Is this a file on the hub that readers would mistake for data of this output?"""
    return name not in files and name.endswith(DATA)


def _check_readme(uri: str, sizes: dict[str, int]) -> None:
    """Raise ConfigError if README.md lacks the front matter that names the data files."""
    if README in sizes:
        with open_uri(join(uri, README)) as stream:
            if stream.read(len(FRONT_MATTER)) == FRONT_MATTER:
                return
    raise ConfigError(
        f"{uri}: has no README.md with the front matter that the hub reads; run the command that made the "
        "output again (a job makes no shard again; merge and split need a new folder)"
    )


def _tables(uri: str, sizes: dict[str, int]) -> Iterator[OutputFile]:
    for table in TABLES:
        folder = table.removesuffix(".parquet")
        if table in sizes:
            yield OutputFile(table, sizes[table])
            continue
        for name, size in sorted(file_sizes(join(uri, folder), ".parquet").items()):
            yield OutputFile(f"{folder}/{name}", size)
