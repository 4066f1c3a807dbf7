"""The files of an index, when they are damaged or were made to do harm."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.errors import ConfigError
from storage.write import remove_folder
from trainer.index.searcher import SearchIndex
from trainer.index.store import CLIPS, IndexInfo, Part, PartArrays, PartInfo, read_info, write_part

INFO = IndexInfo("model", 3, (2, 4))
PART = PartInfo("/clips/00000.tar", "sha256:ab", 2, 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A part of two clips."""
    vectors_NE = np.eye(2, 3, dtype=np.float32)
    tokens_NTD, mask_NT = np.zeros((2, 2, 4), np.float16), np.ones((2, 2), np.uint8)
    write_part(
        str(tmp_path), PART, PartArrays(["a", "b"], [["x"], ["y", "z"]], vectors_NE, tokens_NTD, mask_NT)
    )
    return next((tmp_path / "parts").iterdir())


def read_all(folder: Path) -> tuple[np.ndarray, pa.Table]:
    part = Part(str(folder), INFO)
    return part.vectors_NE, part.clips


def npy(header: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header.encode() + b"\n"


def test_a_whole_part_is_read(folder: Path) -> None:
    part = Part(str(folder), INFO)
    assert part.info == PART
    assert part.vectors_NE.tolist() == [[1, 0, 0], [0, 1, 0]]
    assert part.clips.to_pylist() == [
        {"key": "a", "captions": ["x"]},
        {"key": "b", "captions": ["y", "z"]},
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("clips", "2"),
        ("clips", -1),
        ("clips", 10**30),
        ("clips", None),
        ("clips", True),
        ("shard", 5),
        ("shard", ""),
        ("content", []),
        ("dropped", "x"),
    ],
)
def test_a_field_of_part_json_of_another_form_is_named(folder: Path, field: str, value: object) -> None:
    about = json.loads((folder / "part.json").read_text())
    (folder / "part.json").write_text(json.dumps({**about, field: value}))
    with pytest.raises(ConfigError, match=rf"part\.json cannot be read: {field}: .*index again"):
        Part(str(folder), INFO)


@pytest.mark.parametrize(
    ("field", "value"), [("width", float("inf")), ("width", 0), ("tokens", [4]), ("tokens", [-4, 64])]
)
def test_a_field_of_index_json_of_another_form_is_named(tmp_path: Path, field: str, value: object) -> None:
    about = {"model": "m", "width": 3, "tokens": None, "format": 1}
    (tmp_path / "index.json").write_text(json.dumps({**about, field: value}))
    with pytest.raises(ConfigError, match=r"index\.json cannot be read: .*create the index again"):
        read_info(tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        npy("(" * 3000),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3)}"),
        npy(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({10**30}, 3)}}"),
        npy("{[]: 1}"),
        npy("{'descr': '<f4', 1: 2}"),
        b"PK\x03\x04" + bytes(100),
        b"",
    ],
)
def test_an_array_with_a_hostile_header_is_one_line(folder: Path, data: bytes) -> None:
    (folder / "vectors.npy").write_bytes(data)
    with pytest.raises(ConfigError, match=r"vectors\.npy cannot be read: .*index again"):
        read_all(folder)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_not_finite_name_their_file(folder: Path, number: float) -> None:
    vectors_NE = np.full((2, 3), number, np.float32)
    np.save(folder / "vectors.npy", vectors_NE)
    search = SearchIndex(INFO, [Part(str(folder), INFO)], None)
    with pytest.raises(ConfigError, match=r"vectors\.npy cannot be read: .*not finite"):
        search.coarse(np.ones((1, 3), np.float32), 2)


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"key": ["a", "b"]}),
        pa.table({"key": ["a", None], "captions": [["x"], ["y"]]}),
        pa.table({"key": ["a", "b"], "captions": [["x"], None]}, schema=CLIPS),
        pa.table({"key": ["a", "b"], "captions": [["x"], [None]]}, schema=CLIPS),
        pa.table({"key": ["a"], "captions": [["x"]]}),
        pa.table({"key": pa.array([b"\xff", b"b"]).view(pa.string()), "captions": [["x"], ["y"]]}),
    ],
)
def test_rows_that_do_not_fit_the_part_are_one_line(folder: Path, table: pa.Table) -> None:
    pq.write_table(table, folder / "clips.parquet")
    with pytest.raises(ConfigError, match=r"clips\.parquet cannot be read: .*index again"):
        read_all(folder)


@pytest.mark.parametrize("name", ["part.json", "vectors.npy", "clips.parquet"])
def test_nobody_waits_for_a_pipe_or_reads_a_device(folder: Path, name: str) -> None:
    for make in (os.mkfifo, lambda path: os.symlink("/dev/zero", path)):
        (folder / name).unlink()
        make(folder / name)
        with pytest.raises(ConfigError, match="not a regular file"):
            read_all(folder)


def test_a_pipe_in_place_of_a_part_is_replaced(folder: Path) -> None:
    remove_folder(str(folder), "part.json")
    os.mkfifo(folder)
    arrays = PartArrays(["a", "b"], [["x"], ["y"]], np.eye(2, 3, dtype=np.float32), None, None)
    write_part(str(folder.parent.parent), PART, arrays)
    assert Part(str(folder), INFO).clips.num_rows == 2
