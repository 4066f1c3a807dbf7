"""The files of the pass over the whole input."""

from __future__ import annotations

from pipelines.curation.verdicts import (
    Verdict,
    read_keys,
    read_rows,
    read_verdicts,
    write_rows,
    write_verdicts,
)
from schemas.records import Task

TASK = Task(3, 2, {"rows": ["a", "b"]})


def test_rows_are_read_back_for_the_same_task_alone(tmp_path):
    folder = str(tmp_path)
    assert read_rows(folder, TASK) is None
    write_rows(folder, TASK, ["k0", "k1"], [(b"1" * 16, None), (None, b"2" * 8)])
    rows = read_rows(folder, TASK)
    assert rows.to_pydict() == {"key": ["k0", "k1"], "mark_0": [b"1" * 16, None], "mark_1": [None, b"2" * 8]}
    assert read_keys(folder, 3) == ["k0", "k1"]
    assert read_rows(folder, Task(3, 3, {"rows": ["a", "b", "c"]})) is None


def test_verdicts_are_read_by_key_and_filter(tmp_path):
    write_verdicts(
        str(tmp_path), 3, [("k1", "near", 2, "k0"), ("k1", "exact", 5, "k9"), ("k0", "near", 2, "k0")]
    )
    found = read_verdicts(str(tmp_path), 3)
    assert found == {
        "k0": {"near": Verdict(2, "k0")},
        "k1": {"near": Verdict(2, "k0"), "exact": Verdict(5, "k9")},
    }
    assert read_verdicts(str(tmp_path), 4) == {}
