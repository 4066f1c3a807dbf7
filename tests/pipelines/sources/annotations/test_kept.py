"""Columns that KEY.json keeps."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_checks import plan_of, read_all, source_of, told

from pipelines.sources.annotations.kept import kept_meta
from schemas.errors import ConfigError
from schemas.manifest import SAMPLES_FILE
from schemas.records import Failure, Reason, SampleError
from storage.shards.read import iter_shard
from storage.tables import iter_rows
from zoetrope import cli
from zoetrope.samples import pictures


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("a\udc00b", "a?b"),
        (0.25, 0.25),
        (float("nan"), None),
        (7, 7),
        (True, True),
        (None, None),
        (b"cc-by", "cc-by"),
        (datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC), "2024-05-06T07:08:09+00:00"),
        (date(2024, 5, 6), "2024-05-06"),
        (timedelta(minutes=1.5), 90.0),
        (Decimal("1.5"), 1.5),
        ({"a": [1, {"b": float("inf")}]}, {"a": [1, {"b": None}]}),
    ],
)
def test_values_become_plain_json(value: object, kept: object) -> None:
    meta = kept_meta(["x"], {"x": value}.get)
    assert meta == {"columns": {"x": kept}}
    assert type(meta["columns"]["x"]) is type(kept)


def deep(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        (b"\xff\xd8", Reason.NOT_UTF8, "column x: byte 0"),
        (2**63, Reason.MALFORMED_ROW, "column x: a number of more than 64 bits"),
        (10**400, Reason.MALFORMED_ROW, "column x: a number of more than 64 bits"),
        ("a" * 10_000, Reason.MALFORMED_ROW, "column x: 10002 characters as JSON; source.keep takes 10000"),
        (deep(5000), Reason.MALFORMED_ROW, "column x: lists and objects are more than 8 deep"),
        (object(), Reason.MALFORMED_ROW, "column x: JSON cannot hold a object"),
    ],
)
def test_a_value_that_cannot_be_kept_fails_its_row(value: object, reason: Reason, detail: str) -> None:
    with pytest.raises(SampleError) as caught:
        kept_meta(["x"], {"x": value}.get)
    assert (caught.value.reason, caught.value.detail) == (reason, detail)


def table(path, **columns):
    pq.write_table(
        pa.table({"url": ["http://a.org/1", "http://a.org/2"], "caption": ["a", "b"], **columns}), path
    )
    return path


def test_parquet_keeps_columns_of_any_plain_type(tmp_path):
    values = {"similarity": [0.3, None], "tags": [["a"], []], "raw": [b"\xff", b"x"], "seen": [1, 2]}
    path = table(tmp_path / "a.parquet", **values)
    source = source_of(kind="parquet", uri=path, keep=["similarity", "tags"])
    items = read_all(source)
    assert [item.meta["columns"] for item in items] == [
        {"similarity": 0.3, "tags": ["a"]},
        {"similarity": None, "tags": []},
    ]
    broken = read_all(source_of(kind="parquet", uri=path, keep=["raw"]))
    assert told(broken) == ["not_utf8", "b"]


def test_a_date_that_python_cannot_hold_costs_its_row_alone(tmp_path):
    days = pa.array([1, 10**8, 3], pa.int32()).cast(pa.date32())
    photos = [pa.array([b"1", b"2", b"3"], pa.binary()), pa.array(["a", "b", "c"])]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table([*photos, days], names=["image", "caption", "day"]), path)
    keeping = read_all(source_of(kind="parquet", uri=path, keep=["day"]))
    assert told(keeping) == ["a", "malformed_row", "c"]
    assert keeping[1].detail == "column day: date value out of range"
    assert told(read_all(source_of(kind="parquet", uri=path))) == ["a", "b", "c"], "the column is not read"


def test_nanoseconds_are_cut_to_microseconds_with_and_without_pandas(tmp_path):
    times = pa.array([1500, None], pa.timestamp("ns", tz="UTC"))
    path = table(tmp_path / "a.parquet", seen=times, took=pa.array([2500, 10**9], pa.duration("ns")))
    items = read_all(source_of(kind="parquet", uri=path, keep=["seen", "took"]))
    assert [item.meta["columns"] for item in items] == [
        {"seen": "1970-01-01T00:00:00.000001+00:00", "took": 2e-06},
        {"seen": None, "took": 1.0},
    ]


def test_a_time_in_an_unknown_zone_costs_its_row_alone():
    moment = pa.array([1], pa.timestamp("us", tz="Nowhere/City"))[0]
    with pytest.raises(SampleError) as caught:
        kept_meta(["x"], lambda name: moment.as_py())
    assert (caught.value.reason, caught.value.detail) == (Reason.MALFORMED_ROW, "column x: 'Nowhere/City'")


def test_a_plan_without_kept_columns_is_the_plan_of_earlier_versions(tmp_path):
    source = source_of(kind="parquet", uri=table(tmp_path / "a.parquet", score=[1.0, 2.0]))
    assert set(plan_of(source)[0].payload["columns"]) == {"image", "url", "caption", "boxes"}
    assert "keep" not in source.fingerprint()
    keeping = source_of(kind="parquet", uri=tmp_path / "a.parquet", keep=["score"])
    assert keeping.fingerprint() == {**source.fingerprint(), "keep": ["score"]}


def test_lists_of_urls_keep_columns(tmp_path):
    (tmp_path / "a.csv").write_text("url,caption,score,note\nhttp://a.org/1,a,0.5,\nhttp://a.org/2,b,1,x\n")
    items = read_all(source_of(kind="urls", uri=tmp_path / "a.csv", keep=["score", "note"]))
    assert [item.meta for item in items] == [
        {"columns": {"score": "0.5", "note": ""}},
        {"columns": {"score": "1", "note": "x"}},
    ]
    rows = [
        {"url": "http://a.org/1", "caption": "a", "score": 0.5},
        {"url": "http://a.org/2", "caption": "b"},
    ]
    rows.append({"url": "http://a.org/3", "caption": "c", "score": 2**70})
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    first, second, third = read_all(source_of(kind="urls", uri=tmp_path / "a.jsonl", keep=["score"]))
    assert (first.meta, second.meta) == ({"columns": {"score": 0.5}}, {"columns": {"score": None}})
    assert isinstance(third, Failure)
    assert third.detail.endswith("a.jsonl: line 3: column score: a number of more than 64 bits")
    plain = plan_of(source_of(kind="urls", uri=tmp_path / "a.jsonl"))
    assert plain[0].payload["rows"][0] == {"url": "http://a.org/1", "captions": ["a"]}


@pytest.mark.parametrize(
    ("name", "keep", "message"),
    [
        ("a.parquet", ["scor"], "no column 'scor'; it has url, caption, score; the nearest is score"),
        ("a.parquet", ["url"], "'url' is read as picture, URL or caption"),
        ("a.csv", ["scor"], "no column 'scor'; it has url, caption, score; the nearest is score"),
        ("a.jsonl", ["scor"], "no column 'scor'; it has url, caption, score; the nearest is score"),
        ("a.txt", ["score"], "a text list has no columns"),
    ],
)
def test_a_column_that_cannot_be_kept_is_one_line_before_the_job(tmp_path, name, keep, message):
    table(tmp_path / "a.parquet", score=[1, 2])
    (tmp_path / "a.csv").write_text("url,caption,score\nhttp://a.org/1,a,1\n")
    (tmp_path / "a.jsonl").write_text('{"url": "http://a.org/1", "caption": "a", "score": 1}\n')
    (tmp_path / "a.txt").write_text("http://a.org/1 a\n")
    kind = "urls"
    if name == "a.parquet":
        kind = "parquet"
    with pytest.raises(ConfigError, match=r"^source\.keep: ") as caught:
        plan_of(source_of(kind=kind, uri=tmp_path / name, keep=keep))
    assert message in str(caught.value)


def test_a_job_writes_kept_columns_to_key_json(tmp_path):
    photos = pictures(2, long_side=96)
    data = [photo.jpeg for photo in photos]
    pq.write_table(
        pa.table({"image": data, "caption": ["a", "b"], "score": [0.25, 0.5]}), tmp_path / "a.parquet"
    )
    arguments = [
        str(tmp_path / "a.parquet"),
        "-o",
        str(tmp_path / "clips"),
        "source.keep=[score]",
        "workers=1",
    ]
    assert cli.main(["animate", *arguments, "clip.size=32", "store=still"]) == 0
    assert [row["caption"] for row in iter_rows(str(tmp_path / "clips"), SAMPLES_FILE)] == ["a", "b"]
    samples = list(iter_shard(str(tmp_path / "clips" / "00000.tar")))
    kept = [json.loads(sample.members["json"])["meta"]["columns"] for sample in samples]
    assert kept == [{"score": 0.25}, {"score": 0.5}]
    assert cli.main(["validate", str(tmp_path / "clips")]) == 0
