"""One listing sorts the names of an output into shards, records, attempts, parts and tables."""

from __future__ import annotations

from pathlib import Path

from pipelines.output.folder import Output
from pipelines.output.listing import Listing, list_output, part_of_table


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"12345")


def test_names_are_sorted_into_their_kinds(tmp_path):
    put(tmp_path, "00000.tar", "00001-000.tar", "123456.tar", "mine.tar", "notes.txt", "manifest.parquet")
    put(tmp_path, "samples/00000.parquet", "pictures/00001.tar", "_zoetrope/finished.json")
    put(
        tmp_path, *(f"_zoetrope/records/{name}" for name in ("00000.parquet", "123456.parquet", ".x.partial"))
    )
    put(tmp_path, "_zoetrope/parts/00000-abc.parquet", "_zoetrope/retries/00000002.jsonl")
    put(
        tmp_path,
        "_zoetrope/tmp/00003-abc/000.tar",
        "_zoetrope/tmp/00003-abc/001.tar",
        "_zoetrope/tmp/plan.jsonl",
    )
    found = list_output(Output(str(tmp_path)))
    assert found.shards == {"00000.tar": 5, "00001-000.tar": 5, "123456.tar": 5}
    assert found.done == {0, 123456}
    assert {name: sorted(parts) for name, parts in found.attempts().items()} == {"00003-abc": [0, 1]}
    assert found.parts == {"00000-abc.parquet"}
    assert found.retries == ["00000002.jsonl"]
    assert found.files == {
        "mine.tar", "notes.txt", "manifest.parquet", "samples/00000.parquet", "_zoetrope/finished.json",
    }  # fmt: skip


def test_an_output_that_is_not_there_holds_nothing(tmp_path):
    found = list_output(Output(str(tmp_path / "nothing")))
    assert found == Listing()


def test_a_file_of_a_table_names_its_part():
    assert part_of_table("samples/00012.parquet") == 12
    assert part_of_table("failures/00000.parquet") == 0
    assert part_of_table("other/00000.parquet") is None
    assert part_of_table("samples/mine.parquet") is None
