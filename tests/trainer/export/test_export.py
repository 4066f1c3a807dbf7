"""The command: checkpoints and indexes in other layouts, each read back by the library that it is for."""

from __future__ import annotations

import os
import sys
import types

import make_shards
import numpy as np
import open_clip
import pyarrow.parquet as pq
import pytest
import tiny_index

from schemas.errors import ConfigError
from trainer.export.export import export
from trainer.index.build import index as build_index
from trainer.index.search import open_index
from zoetrope import cli


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A checkpoint, and an index of two shards made by it."""
    folder = tmp_path_factory.mktemp("made")
    checkpoint = tiny_index.checkpoint(folder / "checkpoint")
    shards = make_shards.write_shards(folder / "shards", 2, 3, "frames")
    build_index(checkpoint, str(shards), str(folder / "index"))
    return folder


def rows(made):
    """Key -> (captions, vector) as a search reads them."""
    found = open_index(made / "index", device="cpu")
    table = {}
    for part in found._parts:
        for key, captions, vector in zip(
            part.clips["key"].to_pylist(), part.clips["captions"].to_pylist(), part.vectors_NE, strict=True
        ):
            table[key] = (captions, vector)
    return table


def test_the_command_writes_a_folder_that_open_clip_loads(made, tmp_path, capsys):
    output = tmp_path / "towers"
    assert cli.main(["export", str(made / "checkpoint"), "--to", "open_clip", "-o", str(output)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{output}: towers of {made / 'checkpoint'}, layout open_clip"
    assert eval(said[1], {"open_clip": open_clip})  # the printed line is Python that works


def test_a_table_of_vectors_for_parquet(made, tmp_path):
    done = export(made / "index", "parquet", tmp_path / "vectors.parquet")
    table = pq.read_table(tmp_path / "vectors.parquet")
    wanted = rows(made)
    assert done.what == "6 vectors"
    assert table.column_names == ["key", "captions", "shard", "vector"]
    assert table["key"].to_pylist() == list(wanted)
    for row in table.to_pylist():
        captions, vector = wanted[row["key"]]
        assert row["captions"] == captions
        assert os.path.isfile(row["shard"])
        np.testing.assert_array_equal(np.float32(row["vector"]), vector)


def test_an_array_of_vectors_for_numpy(made, tmp_path):
    export(made / "index", "npy", tmp_path / "out")
    vectors_NE = np.load(tmp_path / "out" / "vectors.npy", mmap_mode="r", allow_pickle=False)
    keys = pq.read_table(tmp_path / "out" / "clips.parquet")["key"].to_pylist()
    wanted = rows(made)
    assert keys == list(wanted)
    np.testing.assert_array_equal(vectors_NE, np.stack([wanted[key][1] for key in keys]))


def test_faiss_finds_each_clip_by_its_own_vector(made, tmp_path):
    faiss = pytest.importorskip("faiss", reason="faiss is not installed")
    export(made / "index", "faiss", tmp_path / "out")
    wanted = np.stack([vector for _, vector in rows(made).values()])
    scores, found = faiss.read_index(str(tmp_path / "out" / "index.faiss")).search(wanted, 1)
    np.testing.assert_allclose(scores[:, 0], (wanted**2).sum(1), atol=1e-5)
    assert len(set(found[:, 0].tolist())) == len(wanted)


def test_without_faiss_one_line_names_the_package(made, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ConfigError, match="--to faiss needs faiss: pip install faiss-cpu"):
        export(made / "index", "faiss", tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("source", "to", "message"),
    [
        ("index", "huggingface", "is an index; its vectors go --to parquet, npy, faiss"),
        ("checkpoint", "npy", "is no index; make one with `zoetrope index"),
        ("nothing", "open_clip", "config.json cannot be read"),
        ("checkpoint", "hugingface", "the nearest is huggingface"),
    ],
)
def test_a_wrong_request_is_one_line_and_writes_nothing(made, tmp_path, capsys, source, to, message):
    command = ["export", str(made / source), "--to", to, "-o", str(tmp_path / "out")]
    assert cli.main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not list(tmp_path.iterdir())


def test_an_output_that_exists_is_left_alone(made, tmp_path):
    (tmp_path / "out.parquet").write_text("mine")
    with pytest.raises(ConfigError, match="exists already; give another name or remove it"):
        export(made / "index", "parquet", tmp_path / "out.parquet")
    assert (tmp_path / "out.parquet").read_text() == "mine"


def test_an_export_that_fails_leaves_nothing(made, tmp_path, monkeypatch):
    broken = types.SimpleNamespace(IndexFlatIP=lambda width: 1 / 0)
    monkeypatch.setitem(sys.modules, "faiss", broken)
    with pytest.raises(ZeroDivisionError):
        export(made / "index", "faiss", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_files_can_be_read_by_others(made, tmp_path):
    export(made / "checkpoint", "huggingface", tmp_path / "out")
    modes = {file.stat().st_mode & 0o777 for file in (tmp_path / "out").iterdir()}
    assert len(modes) == 1
