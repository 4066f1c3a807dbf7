"""The files of marks: written once, found by their names, damaged ones named."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.output.folder import Output
from pipelines.output.growth.inputs import InputsWriter, read_segments, segments_of
from schemas.errors import ConfigError
from schemas.records import Task


def test_what_was_written_is_read_again(tmp_path):
    output = Output(str(tmp_path))
    writer = InputsWriter(output, 12)
    writer.add(Task(12, 3, {}, marks=(("a", "1"), ("b", "2"))))
    writer.add(Task(13, 2, {}, marks=(("c", "3"),)))
    name = writer.keep()
    assert name == "00000012-2-5.parquet"
    assert segments_of([name, "other"]) == [(12, 2)]
    (segment,) = read_segments(output, [name])
    assert (segment.first, segment.tasks, segment.inputs) == (12, 2, 5)
    assert list(segment.pairs()) == [("a", "1"), ("b", "2"), ("c", "3")]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [name]


def test_tasks_without_marks_leave_no_file(tmp_path):
    writer = InputsWriter(Output(str(tmp_path)), 0)
    writer.add(Task(0, 3, {}))
    assert writer.keep() is None
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_one_line_that_names_it(tmp_path):
    output = Output(str(tmp_path))
    path = tmp_path / "_zoetrope" / "inputs" / "00000000-1-1.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1 no")
    with pytest.raises(ConfigError, match=r"00000000-1-1\.parquet: damaged: .*restore it"):
        read_segments(output, [path.name])


def test_marks_without_their_names_are_damaged(tmp_path):
    output = Output(str(tmp_path))
    path = tmp_path / "_zoetrope" / "inputs" / "00000000-1-2.parquet"
    path.parent.mkdir(parents=True)
    for table in (pa.table({"about": ["1", "2"]}), pa.table({"name": ["a", None], "about": ["1", "2"]})):
        pq.write_table(table, path)
        with pytest.raises(ConfigError, match=r"00000000-1-2\.parquet: damaged: a row of it lacks a value"):
            read_segments(output, [path.name])
