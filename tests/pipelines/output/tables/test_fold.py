"""Records folded into parts: every input in one row, in order, the same bytes whoever folds."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from part_job import part_job, parts_of, run_parts
from tiny_job import TinyMaker

from pipelines.making.config import ShardConfig
from pipelines.making.task import make_task
from pipelines.output.commit import commit
from pipelines.output.folder import Output
from pipelines.output.record import META, RECORD, Record
from pipelines.output.retries import write_plan
from pipelines.output.tables.fold import ROW_GROUP, TableFile, fold_part
from pipelines.output.tables.parts import Part, head_path, read_heads, rows_path
from schemas.errors import JobError
from schemas.manifest import FAILURES_FILE, MANIFEST, SAMPLES_FILE
from schemas.records import Task
from storage.write import remove_tree


def rows(output: Output, part: Part, table: str) -> list[dict]:
    return pq.read_table(rows_path(output, part, table)).to_pylist()


def made(output: Output, tasks: int, *, fails: int = 3) -> None:
    for index in range(tasks):
        task = Task(index, 6, {"start": 6 * index, "count": 6})
        commit(output, make_task(task, TinyMaker(fails=fails), output, ShardConfig(), "f" * 16).attempt)


def test_rows_come_in_the_order_of_tasks_and_inputs(tmp_path):
    output = Output(str(tmp_path))
    made(output, 3)
    (part, _) = parts_of(output)
    fold_part(output, part)
    samples, failures = rows(output, part, SAMPLES_FILE), rows(output, part, FAILURES_FILE)
    assert [row["key"] for row in samples] == [f"tiny-{n:06d}" for n in range(12) if n % 3]
    assert [(row["key"], row["task"]) for row in failures] == [
        ("tiny-000000", 0), ("tiny-000003", 0), ("tiny-000006", 1), ("tiny-000009", 1),
    ]  # fmt: skip


def test_two_folds_write_the_same_bytes(tmp_path):
    output = Output(str(tmp_path))
    made(output, 2)
    (part,) = parts_of(output)
    paths = [
        head_path(output, part),
        *(rows_path(output, part, table) for table in (SAMPLES_FILE, FAILURES_FILE)),
    ]
    fold_part(output, part)
    before = [Path(path).read_bytes() for path in paths]
    fold_part(output, part)
    assert [Path(path).read_bytes() for path in paths] == before
    assert list(Path(output.tmp()).glob("fold-*")) == []


def test_failures_that_a_later_retry_answered_are_left_out(tmp_path):
    """Task 4 retries both failures of task 1; one fails again, and task 5 makes it."""
    output = Output(str(tmp_path))
    made(output, 4)
    keys = ["tiny-000006", "tiny-000009"]
    for index, wanted, fails in ((4, keys, 9), (5, keys[1:], 0)):
        row = {"index": index, "origin": 1, "samples": 6, "payload": {"start": 6, "count": 6}, "keys": wanted}
        write_plan(output, f"{index:08d}", [row])
        before = read_counts(output)
        assert before[1] == (2 if index == 4 else 0), "a retry that is not done changes nothing"
        task = Task(index, 6, {"start": 6, "count": 6}, keys=tuple(wanted))
        commit(output, make_task(task, TinyMaker(fails=fails), output, ShardConfig(), "f" * 16).attempt)
    assert read_counts(output) == {0: 2, 1: 0, 2: 2, 3: 2, 4: 0, 5: 0}
    parts = parts_of(output)
    written = [row["key"] for part in parts for row in rows(output, part, SAMPLES_FILE)]
    failed = [row["key"] for part in parts for row in rows(output, part, FAILURES_FILE)]
    assert sorted(written + failed) == [f"tiny-{n:06d}" for n in range(24)]


def read_counts(output: Output) -> dict[int, int]:
    """Task -> failures, after a fold of every part."""
    parts = parts_of(output)
    for part in parts:
        fold_part(output, part)
    return {count.task: count.failed for head in read_heads(output, parts) for count in head.tasks}


def test_a_fold_that_is_cut_off_leaves_no_head(tmp_path, monkeypatch):
    output = Output(str(tmp_path))
    made(output, 2)
    (part,) = parts_of(output)
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.output.tables.fold.write_bytes", None)
        with pytest.raises(TypeError):
            fold_part(output, part)
    assert not Path(head_path(output, part)).exists()
    fold_part(output, part)
    assert len(rows(output, part, SAMPLES_FILE)) == 8


def test_a_damaged_record_is_named(tmp_path):
    run_parts(tmp_path)
    output = Output(str(tmp_path))
    Path(output.record_path(3)).write_bytes(b"PAR1 but not really")
    remove_tree(output.state("parts"))
    Path(output.state("finished.json")).unlink()
    with pytest.raises((ValueError, JobError), match=r"records/00003\.parquet: not a record"):
        run_parts(tmp_path, part_job())


@pytest.mark.parametrize(
    "change",
    [
        {"shards": 5},
        {"shards": [{"shard": "a.tar"}]},
        {"task": "x"},
        {"inputs": None},
        {"counters": [1]},
        {"fingerprint": 5},
    ],
)
def test_a_record_whose_description_has_another_form_is_one_error(change):
    rows = pa.Table.from_pylist([{"status": "written", "key": "a"}], RECORD)
    about = {"attempt": "", "task": 0, "fingerprint": "f", "inputs": 1, "shards": [], "counters": {}}
    data = record_file(rows, {**about, **change})
    with pytest.raises(ValueError, match=f"^{next(iter(change))}[.:]"):
        Record.from_bytes(data)
    assert Record.from_bytes(record_file(rows, about)).inputs == 1


def test_a_record_with_columns_of_another_type_is_one_error():
    rows = pa.table({"status": ["written"], "key": ["a"], "width": ["wide"]})
    about = {"task": 0, "fingerprint": "f", "inputs": 1, "shards": []}
    with pytest.raises(ValueError, match="wide"):
        Record.from_bytes(record_file(rows, about))


def record_file(rows: pa.Table, about: dict) -> bytes:
    out = io.BytesIO()
    pq.write_table(rows.replace_schema_metadata({META: json.dumps(about).encode()}), out)
    return out.getvalue()


def test_row_groups_have_a_fixed_size(tmp_path):
    with TableFile(f"{tmp_path}/t.parquet", MANIFEST) as table:
        for size in (5, ROW_GROUP, 0, 3 * ROW_GROUP):
            table.append(pa.Table.from_pylist([{"shard": "a", "task": n} for n in range(size)], MANIFEST))
    about = pq.ParquetFile(tmp_path / "t.parquet").metadata
    assert [about.row_group(n).num_rows for n in range(about.num_row_groups)] == [ROW_GROUP] * 4 + [5]
