import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.manifest import FAILURES, FAILURES_FILE, MANIFEST, MANIFEST_FILE, SAMPLES, SAMPLES_FILE, ShardRow
from storage.tables import (
    TableError,
    count_rows,
    expand_shards,
    has_table,
    iter_rows,
    read_manifest,
    table_files,
    take_rows,
)


def test_the_manifest_reads_back_locally_and_by_uri(tmp_path):
    row = ShardRow("00000.tar", 3, 10240, "ab", "a", "c", "f", 0)
    pq.write_table(pa.Table.from_pylist([vars(row)], MANIFEST), tmp_path / MANIFEST_FILE)
    assert read_manifest(str(tmp_path)) == [row]
    assert read_manifest(f"file://{tmp_path}/") == [row]
    with pytest.raises(FileNotFoundError, match="no manifest there, and no such folder"):
        read_manifest(str(tmp_path / "other"))
    with pytest.raises(FileNotFoundError, match=r"a file; no manifest there\. Give the folder"):
        read_manifest(str(tmp_path / MANIFEST_FILE))


@pytest.mark.parametrize("as_dictionary", [True, False])
def test_a_small_manifest_that_expands_far_is_refused_early(tmp_path, monkeypatch, as_dictionary):
    monkeypatch.setattr("storage.tables.MAX_TABLE", 50_000_000)
    rows = 100_000
    text = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * 20_000]))
    columns = {field.name: pa.array([0] * rows).cast(field.type) for field in MANIFEST}
    table = pa.table({**columns, "sha256": text})
    pq.write_table(table, tmp_path / MANIFEST_FILE, compression="zstd", store_schema=as_dictionary)
    assert (tmp_path / MANIFEST_FILE).stat().st_size < 100_000
    with pytest.raises(TableError, match=r"manifest\.parquet: a damaged table: it expands to over 50 MB"):
        read_manifest(str(tmp_path))


def test_a_manifest_with_dictionaries_reads_back(tmp_path):
    row = ShardRow("00000.tar", 3, 10240, "ab", "a", "c", "f", 0)
    table = pa.Table.from_pylist([vars(row)] * 3, MANIFEST)
    table = table.set_column(0, "shard", table["shard"].dictionary_encode())
    pq.write_table(table, tmp_path / MANIFEST_FILE)
    assert read_manifest(str(tmp_path)) == [row] * 3


def test_rows_are_streamed(tmp_path):
    rows = [{"key": f"k{i:04d}", "shard": "00000.tar"} for i in range(1000)]
    pq.write_table(pa.Table.from_pylist(rows, SAMPLES), tmp_path / SAMPLES_FILE)
    assert [r["key"] for r in iter_rows(str(tmp_path), SAMPLES_FILE, batch_rows=7)] == [
        r["key"] for r in rows
    ]


@pytest.mark.parametrize("column", ["stage", "reason", "detail", "key"])
def test_failures_without_a_column_name_their_file(tmp_path, column):
    row = dict.fromkeys(FAILURES.names) | {"key": "a", "task": 0}
    table = pa.Table.from_pylist([row], FAILURES)
    pq.write_table(table.drop_columns(["scores"]), tmp_path / FAILURES_FILE)  # as earlier versions did
    assert [found["key"] for found in iter_rows(str(tmp_path), FAILURES_FILE)] == ["a"]
    pq.write_table(table.drop_columns([column]), tmp_path / FAILURES_FILE)
    with pytest.raises(TableError, match=rf"failures\.parquet: a damaged table: it has no column {column}"):
        list(iter_rows(str(tmp_path), FAILURES_FILE))


def test_a_table_may_be_a_folder_of_files(tmp_path):
    rows = [{"key": f"k{i:04d}", "shard": "00000.tar"} for i in range(1000)]
    (tmp_path / "samples").mkdir()
    for number, (first, stop) in enumerate([(0, 400), (400, 400), (400, 1000)]):
        table = pa.Table.from_pylist(rows[first:stop], SAMPLES)
        pq.write_table(table, tmp_path / "samples" / f"{number:05d}.parquet", row_group_size=128)
    output = str(tmp_path)
    assert [row["key"] for row in iter_rows(output, SAMPLES_FILE)] == [row["key"] for row in rows]
    counts = count_rows(output, SAMPLES_FILE)
    assert counts == [400, 0, 600]
    positions = np.array([0, 399, 400, 999])
    found = take_rows(output, SAMPLES_FILE, positions, counts=counts, columns=["key"])
    assert found == [{"key": f"k{n:04d}"} for n in positions]
    assert has_table(output, SAMPLES_FILE)
    assert not has_table(output, MANIFEST_FILE)
    with pytest.raises(FileNotFoundError, match=r"samples\.parquet"):
        table_files(str(tmp_path / "samples"), SAMPLES_FILE)


def test_shards_by_folder_glob_brace_and_name(tmp_path):
    for i in range(3):
        (tmp_path / f"{i:05d}.tar").touch()
    all_three = [str(tmp_path / f"{i:05d}.tar") for i in range(3)]
    assert expand_shards(str(tmp_path)) == all_three
    assert expand_shards(f"{tmp_path}/*.tar") == all_three
    assert expand_shards(f"{tmp_path}/{{00000..00002}}.tar") == all_three
    assert expand_shards(f"{tmp_path}/00001.tar") == all_three[1:2]
    assert expand_shards(f"file://{tmp_path}/*.tar") == [f"file://{p}" for p in all_three]
    with pytest.raises(ValueError, match="nothing matches"):
        expand_shards(f"{tmp_path}/*.zip")


def test_a_gap_in_a_brace_range_is_refused(tmp_path, monkeypatch):
    for name in ("00000", "00002"):
        (tmp_path / f"{name}.tar").touch()
    with pytest.raises(ValueError, match=r"00001\.tar is not there, and 2 of its 4 shards are missing"):
        expand_shards(f"{tmp_path}/{{00000..00003}}.tar")
    monkeypatch.chdir(tmp_path)
    assert expand_shards("{00000,00002}.tar") == ["00000.tar", "00002.tar"]
    with pytest.raises(ValueError, match=r"00001\.tar is not there"):
        expand_shards("./{00000..00002}.tar")
