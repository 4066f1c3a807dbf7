"""Damaged outputs: every command that reads one exits with 1 or 2, and one line that names the file."""

from __future__ import annotations

import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_output import build_output

from storage.shards.read import iter_shard
from storage.shards.write import ShardWriter
from zoetrope import cli

FAILED = {"key": "f", "stage": "fetch", "reason": "timeout", "detail": "slow", "url": None}
MANIFEST, SAMPLES, FAILURES = "manifest.parquet", "samples.parquet", "failures.parquet"
READERS = {  # file -> the commands that read it
    MANIFEST: ("stats", "validate", "merge", "split"),
    SAMPLES: ("stats", "validate", "merge", "split"),
    FAILURES: ("stats", "failures", "merge"),
}


def with_a_damaged_footer(data: bytes) -> bytes:
    rng, damaged = random.Random(3), bytearray(data)
    length = struct.unpack("<I", data[-8:-4])[0]
    for _ in range(8):
        damaged[-9 - rng.randrange(length)] = rng.randrange(256)
    return bytes(damaged)


def table(columns: dict[str, list[object]]) -> bytes:
    out = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), out)
    return out.getvalue().to_pybytes()


def columns_of(data: bytes) -> list[str]:
    return list(pq.read_schema(pa.BufferReader(data)).names)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda data: data[: len(data) // 2],
    "empty, as after a power cut": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "its footer": with_a_damaged_footer,
    "its pages": lambda data: data[:4] + bytes(200) + data[204:],
    "another table": lambda data: table({"x": [1, 2]}),
    "columns of another type": lambda data: table({name: [[1]] for name in columns_of(data)}),
    "columns of nulls": lambda data: table({name: [None] for name in columns_of(data)}),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> str:
    return build_output(tmp_path_factory.mktemp("made") / "clips", shards=2, each=2, failures=[FAILED])


@pytest.fixture
def output(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "clips"))


def arguments(command: str, output: Path) -> list[str]:
    more = {"merge": ["-o", f"{output}-one"], "split": ["a=0.5", "b=0.5", "-o", f"{output}-two"]}
    return [command, str(output), *more.get(command, [])]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("file", READERS)
def test_a_damaged_table_is_one_line_that_names_it(output, file, damage, capsys):
    path = output / file
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    for command in READERS[file]:
        code = cli.main(arguments(command, output))
        said = capsys.readouterr()
        assert code in (1, 2), (command, said)
        assert file in said.err + said.out, (command, said)
        assert len(said.err.splitlines()) <= 1, (command, said)
        assert not list(output.parent.glob("clips-*/**/manifest.parquet")), command


def without_rows(path: Path) -> None:
    pq.write_table(pq.read_table(path).slice(0, 0), path)


def with_a_row_twice(path: Path) -> None:
    rows = pq.read_table(path)
    pq.write_table(pa.concat_tables([rows, rows.slice(0, 1)]), path)


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DISAGREEMENTS: dict[str, tuple[str, Callable[[Path], None], tuple[str, ...]]] = {
    "a shard is gone": ("00001.tar", Path.unlink, ("merge", "split")),
    "a shard has other bytes": ("00001.tar", flipped, ("merge", "split")),
    "no rows in the manifest": (MANIFEST, without_rows, ("stats", "merge", "split")),
    "a row of the manifest comes twice": (MANIFEST, with_a_row_twice, ("stats", "merge", "split")),
    "no rows in the samples": (SAMPLES, without_rows, ("stats", "merge", "split")),
    "a row of the samples comes twice": (SAMPLES, with_a_row_twice, ("stats", "merge", "split")),
}


@pytest.mark.parametrize("disagreement", DISAGREEMENTS)
def test_an_output_that_disagrees_is_one_line_and_nothing_half_is_left(output, disagreement, capsys):
    file, change, commands = DISAGREEMENTS[disagreement]
    change(output / file)
    for command in commands:
        assert cli.main(arguments(command, output)) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert file in line or SAMPLES in line, (command, line)
        assert not [path for path in output.parent.glob("clips-*/**/*") if path.is_file()], command


def test_foreign_files_are_left_alone(output, capsys):
    (output / "zz.tar").write_bytes(b"no tar" * 400)
    (output / "notes.txt").write_text("ours")
    for command in ("stats", "failures", "merge", "split"):
        assert cli.main(arguments(command, output)) == 0, capsys.readouterr().err
    assert not list(output.parent.glob("clips-*/**/zz.tar"))
    assert cli.main(["head", str(output), "-n", "99"]) == 1
    assert "zz.tar: truncated or unreadable" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[" * 100_000, "[]", '{"00000.tar": "\\ud800"}', "9" * 5000])
def test_damaged_sizes_are_a_problem_of_their_file(output, text, capsys):
    (output / "sizes.json").write_text(text)
    assert cli.main(["validate", str(output)]) == 1
    assert "sizes.json: does not agree with manifest.parquet" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["cut off", "empty, as after a power cut", "zeros"])
def test_a_damaged_shard_is_named_by_every_command_that_opens_it(output, damage, capsys):
    path = output / "00000.tar"
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    for command in ("head", "validate", "merge", "split"):
        code = cli.main(arguments(command, output))
        said = capsys.readouterr()
        assert code == 1, (command, said)
        assert "00000.tar" in said.err + said.out, (command, said)


def test_a_foreign_key_json_cannot_steer_the_terminal(output, capsys):
    path = output / "00000.tar"
    members = next(iter_shard(str(path))).members
    foreign = members["json"].replace(b'"motion":"zoom_in"', b'"motion":"\\u001b[2J\\u0007"')
    assert foreign != members["json"]
    with open(path, "wb") as stream:
        writer = ShardWriter(stream)
        writer.write("0000000", {**members, "json": foreign, "txt": b"\x1b[2J"})
        writer.close()
    assert cli.main(["head", str(output), "-n", "1"]) == 0
    said = capsys.readouterr().out
    assert all(character.isprintable() or character == "\n" for character in said)
    assert "motion=?[2J?" in said


def test_a_foreign_table_of_failures_cannot_steer_the_terminal(output, capsys):
    """Nor fill it: each line is cut."""
    path = Path(output) / "failures.parquet"
    schema = pq.read_schema(path)
    text = "a\x1b[31m\n\u202e" + "x" * 100_000
    row = {"key": text, "stage": text, "reason": text, "detail": text, "task": 0}
    pq.write_table(pa.Table.from_pylist([row], schema), path)
    assert cli.main(["failures", str(output)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.isprintable() and len(line) < 2500 for line in lines)
