"""The source `urls`: plan, keys, and a job on pictures from loopback."""

from __future__ import annotations

import gzip
import json

from source_checks import plan_of, read_all, source_of, told

from pipelines.sources.apart import with_limits
from pipelines.workers.config import SampleLimits
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
