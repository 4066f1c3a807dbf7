"""Files of a known plan among those of now; tables of rows that have grown."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from grown import known_of, read_keys
from source_checks import source_of

from pipelines.sources.growth.files import find_known, relative_names
from schemas.errors import ConfigError
from storage.find import FileInfo


def files(*paths: str) -> list[FileInfo]:
    return [FileInfo(path, 1) for path in paths]


def test_names_are_found_again_where_a_further_file_moved_the_common_folder_up():
    before = files("/data/a/x.tsv")
    (name,) = relative_names(before).values()
    assert name == "x.tsv"
    now = files("/data/a/x.tsv", "/data/b/y.tsv")
    assert find_known(now, [name], "source.uri")[name].path == "/data/a/x.tsv"
    with pytest.raises(
        ConfigError, match=r"source\.uri: z\.tsv: it has gone since the output was made; .* another output"
    ):
        find_known(now, ["z.tsv"], "source.uri")


def table(path: Path, rows: range, *, end: str = "\n") -> None:
    lines = [f"caption {row}\thttp://pictures/{row}.jpg" for row in rows]
    path.write_text("\n".join(lines) + end, newline="")


@pytest.mark.parametrize("end", ["\n", ""])
def test_rows_at_the_end_of_a_table_are_new_and_its_tasks_stay(tmp_path, end):
    path = tmp_path / "a.tsv"
    table(path, range(5), end=end)
    source = source_of(kind="cc3m", uri=path)
    first = list(source.plan())
    table(path, range(8))
    grown = list(source.plan_from(known_of(first)))
    assert grown[:3] == first
    assert [(task.index, task.samples) for task in grown[3:]] == [(3, 2), (4, 1)]
    assert read_keys(source, grown) == [f"cc3m-{row:09d}" for row in range(8)]
    again = known_of(grown[3:], first=9, after=known_of(first))
    assert [task.index for task in source.plan_from(again)] == [0, 1, 2, 9, 10]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("caption 1", "another"), "its first .* bytes have changed"),
        (lambda text: text.replace("caption 1", "captiom 1"), "its first .* bytes have changed"),
        (lambda text: text[:-20], "it has become smaller"),
    ],
)
def test_a_table_that_has_changed_otherwise_is_refused(tmp_path, change, message):
    path = tmp_path / "a.tsv"
    table(path, range(5))
    source = source_of(kind="cc3m", uri=path)
    known = known_of(list(source.plan()))
    path.write_text(change(path.read_text()))
    with path.open("a") as stream:
        stream.write("" if "smaller" in message else "new\thttp://pictures/9.jpg\n")
    with pytest.raises(ConfigError, match=rf"a\.tsv: {message}"):
        list(source.plan_from(known))


def test_the_last_row_without_a_newline_may_not_become_another_one(tmp_path):
    path = tmp_path / "a.tsv"
    table(path, range(3), end="")
    source = source_of(kind="cc3m", uri=path)
    known = known_of(list(source.plan()))
    path.write_text(path.read_text() + "x\nnew\thttp://pictures/9.jpg\n")
    with pytest.raises(ConfigError, match="the row that ended at byte"):
        list(source.plan_from(known))


def test_a_further_table_follows_whatever_its_name(tmp_path):
    table(tmp_path / "b.tsv", range(3))
    source = source_of(kind="cc3m", uri=tmp_path / "*.tsv")
    first = list(source.plan())
    table(tmp_path / "a.tsv", range(10, 13))
    grown = list(source.plan_from(known_of(first)))
    assert grown[:2] == first
    assert [task.payload["uri"].rpartition("/")[2] for task in grown] == ["b.tsv", "b.tsv", "a.tsv", "a.tsv"]
    assert len(set(read_keys(source, grown))) == 6


def test_a_limit_cuts_what_is_new_and_a_higher_one_goes_on_in_the_middle_of_a_table(tmp_path):
    path = tmp_path / "a.tsv"
    table(path, range(9))
    source = source_of(kind="cc3m", uri=path, limit=3)
    known = known_of(list(source.plan()))
    source = source_of(kind="cc3m", uri=path, limit=6)
    second = list(source.plan_from(known))[2:]
    assert sum(task.samples for task in second) == 3
    source = source_of(kind="cc3m", uri=path)
    third = list(source.plan_from(known_of(second, first=2, after=known)))
    assert read_keys(source, third) == [f"cc3m-{row:09d}" for row in range(9)]


def parquet(path: Path, rows: range, *, group: int = 2) -> None:
    columns = {"url": [f"http://p/{row}.jpg" for row in rows], "caption": [f"caption {row}" for row in rows]}
    pq.write_table(pa.table(columns), path, row_group_size=group)


def test_row_groups_at_the_end_of_parquet_are_new(tmp_path):
    path = tmp_path / "a.parquet"
    parquet(path, range(4))
    source = source_of(3, kind="parquet", uri=tmp_path / "*.parquet")
    first = list(source.plan())
    parquet(path, range(7))
    parquet(tmp_path / "0.parquet", range(10, 12))
    grown = list(source.plan_from(known_of(first)))
    assert grown[:2] == first
    assert read_keys(source, grown) == [f"parquet-{row:09d}" for row in range(9)]
    parquet(path, range(1, 8))
    with pytest.raises(ConfigError, match=r"a\.parquet: the row groups of its first 4 rows have changed"):
        list(source.plan_from(known_of(first)))
