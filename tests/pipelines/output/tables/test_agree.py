"""Tables that disagree with each other or with the shards: the first problem names its file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_output import build_output

from pipelines.output.tables.agree import agreed_manifest, check_keys, check_shards
from schemas.errors import ConfigError
from storage.shards.read import ShardError
from storage.tables import TableError


@pytest.fixture
def output(tmp_path) -> Path:
    return Path(build_output(tmp_path / "clips", shards=2, each=3))


def edit(path: Path, change) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def column(name: str, values: list[object]):
    return lambda table: table.set_column(
        table.column_names.index(name), name, pa.array(values, table.schema.field(name).type)
    )


def test_a_whole_output_agrees(output):
    shards = agreed_manifest(str(output))
    assert [row.shard for row in shards] == ["00000.tar", "00001.tar"]
    check_shards(str(output), shards)
    check_keys([str(output)])


TABLES = {
    "a shard twice": ("manifest", lambda t: pa.concat_tables([t, t.slice(0, 1)]), "names 00000.tar twice"),
    "a path": ("manifest", column("shard", ["../a.tar", "b.tar"]), "names '../a.tar', which is no shard"),
    "another file": ("manifest", column("shard", ["a.zip", "b.tar"]), "names 'a.zip', which is no shard"),
    "a shard less": ("manifest", lambda t: t.slice(1), "has rows of 00000.tar, which manifest.parquet does"),
    "a count": (
        "manifest",
        column("samples", [3, 9]),
        "has 3 rows of 00001.tar, and manifest.parquet says 9",
    ),
    "a row less": ("samples", lambda t: t.slice(1), "has 2 rows of 00000.tar, and manifest.parquet says 3"),
    "no rows": ("samples", lambda t: t.slice(0, 0), "has 0 rows of 00000.tar"),
    "no shard": ("samples", column("shard", [None] * 6), "has 0 rows of 00000.tar"),
}


@pytest.mark.parametrize("damage", TABLES)
def test_tables_that_disagree_are_one_line_that_names_a_file(output, damage):
    table, change, words = TABLES[damage]
    edit(output / f"{table}.parquet", change)
    with pytest.raises(TableError) as error:
        agreed_manifest(str(output))
    assert words in str(error.value)
    assert str(output) in str(error.value).partition(":")[0]
    assert str(error.value).endswith("or fetch it again")


def test_a_table_that_is_gone_is_named(output):
    (output / "samples.parquet").unlink()
    with pytest.raises(TableError, match=r"samples\.parquet: no such table"):
        agreed_manifest(str(output))
    (output / "manifest.parquet").unlink()
    with pytest.raises(ConfigError, match=r"manifest\.parquet: no manifest there"):
        agreed_manifest(str(output))


def test_shards_that_are_gone_or_of_another_size_are_named(output):
    shards = agreed_manifest(str(output))
    with open(output / "00001.tar", "ab") as stream:
        stream.write(b"more")
    with pytest.raises(ShardError, match=rf"00001\.tar: has {shards[1].bytes + 4} bytes, and manifest"):
        check_shards(str(output), shards)
    (output / "00000.tar").unlink()
    with pytest.raises(ShardError, match=r"00000\.tar: no such shard, but manifest\.parquet names it"):
        check_shards(str(output), shards)


def test_a_key_that_comes_twice_is_an_error_of_its_table(output):
    edit(output / "samples.parquet", column("key", ["a", "b", "c", "d", "b", "e"]))
    with pytest.raises(TableError, match=r"samples\.parquet: has the key b twice"):
        check_keys([str(output)])


def test_a_key_of_two_outputs_is_an_error_of_the_command(output, tmp_path):
    other = build_output(tmp_path / "other", shards=1, each=2)
    with pytest.raises(ConfigError, match="both have the key 0000000"):
        check_keys([str(output), other])
