"""The parts of the tables: fixed ranges of tasks, and names that a change of content changes."""

from __future__ import annotations

import pytest
from part_job import part_job, parts_of, run_parts

from pipelines.output.folder import Output
from pipelines.output.listing import list_output
from pipelines.output.retries import Retries
from pipelines.output.tables.parts import (
    Part,
    forget_parts,
    head_path,
    plan_parts,
    read_heads,
    tasks_per_part,
)


@pytest.mark.parametrize(
    ("config", "tasks"),
    [({}, 1000), ({"shard": {"max_samples": 1000}}, 1000), ({"shard": {"max_samples": 5000}}, 200),
     ({"shard": {"max_samples": 5}}, 1000), ({"shard": {"max_samples": 1_000_000}}, 1)],
)  # fmt: skip
def test_a_part_has_about_a_million_rows_and_at_most_a_thousand_tasks(config, tasks):
    assert tasks_per_part(config) == tasks


def test_boundaries_are_fixed_by_the_numbers_of_the_tasks():
    parts = plan_parts([0, 1, 2, 4, 9], Retries(), 3)
    assert [(part.index, part.tasks) for part in parts] == [(0, ((0, 3),)), (1, ((4, 5),)), (3, ((9, 10),))]
    assert [list(part.numbers()) for part in parts] == [[0, 1, 2], [4], [9]]


def test_the_name_changes_with_the_tasks_and_with_the_retries():
    names = {
        Part(0, ((0, 3),)).name,
        Part(0, ((0, 2),)).name,
        Part(0, ((0, 3),), ((10, 0, 1),)).name,
        Part(0, ((0, 3),), ((11, 0, 1),)).name,
    }
    assert len(names) == 4
    assert Part(0, ((0, 3),)).name == "00000-7d638357ce92", (
        "fixed: it must not depend on the version of Python"
    )


def test_heads_hold_counts_and_rows_of_the_manifest(tmp_path):
    run_parts(tmp_path, part_job(5, 4, fails=4))
    output = Output(str(tmp_path))
    heads = read_heads(output, parts_of(output))
    assert [[row.shard for row in head.shards] for head in heads] == [
        ["00000.tar", "00001.tar"],
        ["00002.tar", "00003.tar"],
        ["00004.tar"],
    ]
    counts = [(c.task, c.inputs, c.written, c.failed) for head in heads for c in head.tasks]
    assert counts == [(task, 4, 3, 1) for task in range(5)]
    assert [dict(head.reasons) for head in heads] == [{"timeout": 2}, {"timeout": 2}, {"timeout": 1}]


def test_a_task_that_will_be_made_again_takes_its_part_back(tmp_path):
    run_parts(tmp_path)
    output = Output(str(tmp_path))
    listing = list_output(output)
    parts = parts_of(output)
    forget_parts(output, listing, [3], 2)
    assert [part.is_folded(listing) for part in parts] == [True, False, True]
    assert [part.is_folded(list_output(output)) for part in parts] == [True, False, True]


def test_a_damaged_head_is_named(tmp_path):
    run_parts(tmp_path)
    output = Output(str(tmp_path))
    part = parts_of(output)[0]
    with open(head_path(output, part), "wb") as stream:
        stream.write(b"PAR1")
    with pytest.raises(ValueError, match=rf"{part.name}\.parquet: damaged"):
        read_heads(output, [part])
