"""Data sets by name, streamed by `datasets` from a hub on loopback; nobody else is asked for anything."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_hub import FakeHub, Repo
from loopback_only import PROXIES, Trap

from pipelines.sources.config import SourceConfig
from pipelines.sources.hub.streamed import choose
from schemas.errors import ConfigError
from zoetrope.samples import pictures

FIELDS: dict[str, dict[str, Any]] = {
    "parquet": {"uri": "user/parquet", "apart": True},
    "limited": {"uri": "user/parquet", "limit": 5},
    "pictures": {"uri": "hf://datasets/user/pictures"},
    "tars": {"uri": "user/tars", "caption_column": "txt"},
    "urls": {"uri": "user/urls"},
    "broken": {"uri": "user/broken"},
    "none": {"uri": "user/none"},
    "split": {"uri": "user/parquet", "split": "tset"},
    "revision": {"uri": "user/parquet", "revision": "v2"},
}
PHOTOGRAPHS = [(p.name, p.jpeg, p.captions[0]) for p in pictures(6, long_side=96)]
FEATURES = {"features": {"image": {"_type": "Image"}, "caption": {"dtype": "string", "_type": "Value"}}}


def parquet(rows: list[tuple[str, bytes, str]]) -> bytes:
    """A file as `datasets` pushes it."""
    images = pa.array([{"bytes": data, "path": f"{name}.jpg"} for name, data, _ in rows])
    table = pa.table({"image": images, "caption": [caption for _, _, caption in rows]})
    stream = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps({"info": FEATURES})}), stream)
    return stream.getvalue()


def tar(rows: list[tuple[str, bytes, str]]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, image, caption in rows:
            for ending, data in (("jpg", image), ("txt", caption.encode())):
                member = tarfile.TarInfo(f"{name}.{ending}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def filled(hub: FakeHub) -> None:
    """Data sets of four forms, and one with a file that breaks off."""
    parts = [parquet(PHOTOGRAPHS[:4]), parquet(PHOTOGRAPHS[4:])]
    names = [f"data/train-0000{number}-of-00002.parquet" for number in range(2)]
    lines = [json.dumps({"file_name": f"{name}.jpg", "text": text}) for name, _, text in PHOTOGRAPHS]
    folder = {f"train/{name}.jpg": data for name, data, _ in PHOTOGRAPHS}
    hub.repos = {
        "user/parquet": Repo(False, dict(zip(names, parts, strict=True))),
        "user/broken": Repo(
            False, {names[0]: parts[0], names[1]: parts[1][:100] + bytes(99) + parts[1][199:]}
        ),
        "user/pictures": Repo(False, {**folder, "train/metadata.jsonl": "\n".join(lines).encode()}),
        "user/tars": Repo(False, {"data/train-0.tar": tar(PHOTOGRAPHS)}),
        "user/urls": Repo(False, {"list.csv": b"URL,TEXT\nhttp://a.org/1.jpg,one\n,two\n"}),
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, dict[str, Any]]:
    """What a process with this hub reads from each data set."""
    hub, trap = FakeHub(), Trap()
    filled(hub)
    taken = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment = {
        **taken,
        **dict.fromkeys(PROXIES, trap.url),
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path_factory.mktemp("home")),
        "PYTHONPATH": ":".join(sys.path),
    }
    command = [sys.executable, "-m", "hub_reader", *map(json.dumps, FIELDS.values())]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    hub.close()
    trap.close()
    assert done.returncode == 0, done.stderr
    assert trap.asked == []
    assert not any("s3" in request for request in hub.requests)
    return dict(zip(FIELDS, map(json.loads, done.stdout.splitlines()), strict=True))


def expected(places: list[tuple[int, int]]) -> list[list[str]]:
    return [
        [f"hf-{shard:06d}-{row:07d}", caption, hashlib.sha256(data).hexdigest()]
        for (shard, row), (_, data, caption) in zip(places, PHOTOGRAPHS, strict=False)
    ]


def test_shards_of_parquet_are_tasks_and_rows_keep_their_bytes(found):
    assert found["parquet"]["items"] == expected([(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1)])
    assert found["parquet"]["split"] == "train"
    assert len(found["parquet"]["revision"]) == 40  # the commit, so that all workers read the same one


def test_a_limit_keeps_the_keys(found):
    assert found["limited"]["items"] == found["parquet"]["items"][:5]


@pytest.mark.parametrize("form", ["pictures", "tars"])
def test_other_formats_of_the_hub_are_read_as_well(found, form):
    items = [tuple(item[1:]) for item in found[form]["items"]]
    assert sorted(items) == sorted((text, hashlib.sha256(data).hexdigest()) for _, data, text in PHOTOGRAPHS)


def test_a_column_of_urls_is_fetched_later(found):
    assert found["urls"]["remote"] is True
    assert [item[1:] for item in found["urls"]["items"]] == [
        ["one", "http://a.org/1.jpg"],
        ["missing_image", None],
    ]


def test_a_shard_that_breaks_costs_its_rows_and_not_the_others(found):
    items = found["broken"]["items"]
    assert items[:4] == found["parquet"]["items"][:4]
    assert [item[1] for item in items[4:]] == ["unreadable"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none", "user/none: no such folder here, and no such data set on the hub (404)"),
        ("split", "user/parquet has no 'tset'; it has train"),
        ("revision", "user/parquet: no such folder here, and no such data set on the hub (404)"),
    ],
)
def test_a_mistake_is_one_line(found, name, message):
    assert message in found[name]["error"]
    assert "\n" not in found[name]["error"]


@pytest.mark.parametrize(
    ("features", "fields", "columns"),
    [
        ({"image": "Image", "caption": "Value"}, {}, ("image", None, "caption")),
        ({"jpg": "Image", "TEXT": "Value"}, {}, ("jpg", None, "TEXT")),
        ({"url": "Value", "text": "Value"}, {}, (None, "url", "text")),
        ({"a": "Image", "b": "Image", "text": "Value"}, {"image_column": "b"}, ("b", None, "text")),
    ],
)
def test_columns_are_found_by_type_and_name(features, fields, columns):
    chosen = choose(features, SourceConfig(kind="huggingface", uri="user/x", **fields), "user/x")
    assert (chosen.image, chosen.url, chosen.caption) == columns


@pytest.mark.parametrize(
    ("features", "fields", "message"),
    [
        ({"a": "Image", "b": "Image", "text": "Value"}, {}, "source.image_column: user/x has no column"),
        ({"image": "Image"}, {}, "source.caption_column: user/x has none of caption, captions, text"),
        ({"image": "Image"}, {"caption_column": "imag"}, "no column 'imag'; .* the nearest is image"),
    ],
)
def test_columns_that_are_not_clear_are_named(features, fields, message):
    with pytest.raises(ConfigError, match=message):
        choose(features, SourceConfig(kind="huggingface", uri="user/x", **fields), "user/x")
