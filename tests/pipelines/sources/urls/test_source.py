"""The source `urls`: plan, keys, and a job on pictures from loopback."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from grown import known_of, read_keys
from source_checks import plan_of, read_all, source_of, told

from pipelines.sources.apart import with_limits
from pipelines.workers.config import SampleLimits
from schemas.errors import ConfigError
from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from storage.tables import iter_rows
from zoetrope import cli
from zoetrope.samples import pictures


def test_rows_are_counted_over_all_files_of_a_glob(tmp_path):
    (tmp_path / "a.csv").write_text("url,caption\nhttp://a.org/1.jpg,one\n,none\n")
    (tmp_path / "b.csv").write_text("Caption,URL\ntwo,http://a.org/2.jpg\nthree,http://a.org/3.jpg\n")
    source = source_of(kind="urls", uri=tmp_path / "*.csv")
    items = read_all(source)
    assert told(items) == ["one", "malformed_row", "two", "three"]
    assert [item.key for item in items] == [f"urls-{number:09d}" for number in range(4)]
    assert items[2].url == "http://a.org/2.jpg"
    assert source.is_remote
    assert source.keys_are_row_numbers


def test_a_limit_takes_the_first_rows_of_the_same_plan(tmp_path):
    (tmp_path / "a.txt").write_text("".join(f"http://a.org/{i}.jpg picture {i}\n" for i in range(5)))
    whole = plan_of(source_of(kind="urls", uri=tmp_path / "a.txt"))
    limited = plan_of(source_of(kind="urls", uri=tmp_path / "a.txt", limit=3))
    assert limited[0] == whole[0]
    assert sum(task.samples for task in limited) == 3


def listed(path: Path, numbers: range) -> None:
    path.write_text("".join(f"http://a.org/{i}.jpg picture {i}\n" for i in numbers))


def test_rows_at_the_end_of_lists_and_further_lists_are_new(tmp_path):
    listed(tmp_path / "b.txt", range(3))
    source = source_of(kind="urls", uri=tmp_path / "*.txt")
    first = list(source.plan())
    listed(tmp_path / "b.txt", range(5))
    listed(tmp_path / "a.txt", range(10, 13))
    grown = list(source.plan_from(known_of(first)))
    assert [task.payload for task in grown[:2]] == [task.payload for task in first]
    assert read_keys(source, grown) == [f"urls-{number:09d}" for number in range(8)]
    numbers = [[row["captions"][0][8:] for row in task.payload["rows"]] for task in grown]
    assert numbers == [["0", "1"], ["2"], ["10", "11"], ["12", "3"], ["4"]]
    listed(tmp_path / "a.txt", range(10, 14))
    again = list(source.plan_from(known_of(grown[2:], first=7, after=known_of(first))))
    assert [task.payload for task in again[:5]] == [task.payload for task in grown]
    assert [(task.index, task.samples) for task in again] == [(0, 2), (1, 1), (7, 2), (8, 2), (9, 1), (10, 1)]


@pytest.mark.parametrize("kept", [range(1, 9), range(2)])
def test_a_list_that_has_changed_otherwise_is_refused(tmp_path, kept):
    listed(tmp_path / "a.txt", range(3))
    source = source_of(kind="urls", uri=tmp_path / "a.txt")
    known = known_of(list(source.plan()))
    listed(tmp_path / "a.txt", kept)
    with pytest.raises(ConfigError, match=r"a\.txt: its first 3 rows have changed since the output was made"):
        list(source.plan_from(known))


def test_a_list_whose_kept_columns_have_changed_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("url,caption,score\nhttp://a.org/1,a,1\n")
    source = source_of(kind="urls", uri=path, keep=["score"])
    known = known_of(list(source.plan()))
    path.write_text("url,caption,score\nhttp://a.org/1,a,2\nhttp://a.org/2,b,3\n")
    with pytest.raises(ConfigError, match=r"a\.csv: its first 1 row have changed"):
        list(source.plan_from(known))


def test_a_higher_limit_goes_on_in_the_middle_of_a_list(tmp_path):
    listed(tmp_path / "a.txt", range(4))
    listed(tmp_path / "b.txt", range(4, 9))
    plans = []
    known = None
    for limit in (3, 6, None):
        source = source_of(kind="urls", uri=tmp_path / "*.txt", limit=limit)
        tasks = list(source.plan_from(known) if known else source.plan())
        new = tasks[len(plans) :]
        known = known_of(new, first=len(plans), after=known)
        plans += new
    assert [row["captions"][0] for task in plans for row in task.payload["rows"]] == [
        f"picture {i}" for i in range(9)
    ]
    assert read_keys(source, plans) == [f"urls-{number:09d}" for number in range(9)]


def test_a_compressed_list_is_planned_in_a_reader_process(tmp_path):
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"url":"http://a.org/1.jpg","text":"one"}\n'))
    source = with_limits(source_of(kind="urls", uri=tmp_path / "a.jsonl.gz"), SampleLimits())
    try:
        assert source.plans_apart is False  # the wrapper's: it does the rest itself
        assert [task.samples for task in source.plan()] == [1]
    finally:
        source.close()


def test_a_job_fetches_the_pictures_and_accounts_for_every_row(tmp_path, serve):
    www = tmp_path / "www"
    www.mkdir()
    rows = []
    address = serve(www)
    for picture in pictures(3, long_side=160):
        (www / f"{picture.name}.jpg").write_bytes(picture.jpeg)
        rows.append({"URL": f"{address}/{picture.name}.jpg", "TEXT": picture.captions[0]})
    rows.append({"URL": f"{address}/gone.jpg", "TEXT": "nothing"})
    (tmp_path / "list.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    output = tmp_path / "clips"
    arguments = [str(tmp_path / "list.jsonl"), "-o", str(output), "fetch.allow_private=true", "workers=1"]
    assert cli.main(["animate", *arguments, "clip.size=32", "store=still"]) == 0
    assert [row["caption"] for row in iter_rows(str(output), SAMPLES_FILE)] == [
        row["TEXT"] for row in rows[:3]
    ]
    assert [row["reason"] for row in iter_rows(str(output), FAILURES_FILE)] == ["http_404"]


def test_an_output_grows_with_its_list(tmp_path, serve):
    www = tmp_path / "www"
    www.mkdir()
    address = serve(www)
    lines = []
    for picture in pictures(4, long_side=96):
        (www / f"{picture.name}.jpg").write_bytes(picture.jpeg)
        lines.append(f"{address}/{picture.name}.jpg {picture.captions[0]}\n")
    path, output = tmp_path / "list.txt", tmp_path / "clips"
    command = ["animate", str(path), f"output={output}", "fetch.allow_private=true", "workers=1"]
    command += ["clip.size=32", "store=still", "shard.max_samples=2"]
    path.write_text("".join([*lines[:2], f"{address}/gone.jpg nothing\n"]))
    assert cli.main(command) == 0
    before = {path.name: path.read_bytes() for path in output.glob("*.tar")}
    path.write_text(path.read_text() + "".join(lines[2:]))
    assert cli.main(command) == 0
    after = {path.name: path.read_bytes() for path in output.glob("*.tar")}
    assert before.items() < after.items(), "what is there keeps its bytes"
    keys = [row["key"] for row in iter_rows(str(output), SAMPLES_FILE)]
    assert keys == [f"urls-{number:09d}" for number in (0, 1, 3, 4)]
    assert [row["key"] for row in iter_rows(str(output), FAILURES_FILE)] == ["urls-000000002"]
    assert cli.main(["retry", str(output), "fetch.allow_private=true"]) in (0, 1)
    assert cli.main(["validate", str(output)]) == 0
