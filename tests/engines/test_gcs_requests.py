"""Budgets of requests, counted at a GCS server with the real client. `benchmarks.requests` counts and keeps them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gcs_requests import counted
from gcs_server import SERVER, Gcs

from benchmarks.requests import RESULTS, measure
from storage.folders import first_name, iter_below, list_names

pytestmark = [
    pytest.mark.gcs,
    pytest.mark.skipif(
        not SERVER.exists(), reason=f"no {SERVER.name}: `make test-gcs` builds it where Go is at hand"
    ),
]
SHARD_REQUESTS, SHARD_CONNECTIONS = 8, 2
READS_AT_ONCE = 32  # connections of the end, which reads records in parallel


@pytest.fixture(scope="module")
def asked(gcs: Gcs) -> dict[str, Any]:
    return measure(gcs)


def test_a_shard_takes_at_most_eight_requests_and_two_connections(asked):
    assert asked["shard"]["requests"] <= SHARD_REQUESTS
    assert asked["shard_of_25_MB"]["requests"] <= SHARD_REQUESTS
    assert asked["connections"]["shards_of_10"] <= 10 * SHARD_CONNECTIONS


def test_a_task_is_one_short_read_of_the_plan(asked):
    assert asked["task_of_a_plan_of_40_MB"]["requests"] == 1
    assert asked["task_of_a_plan_of_40_MB"]["bytes"] < 1000


def test_a_resume_is_one_listing_and_reads_no_record(asked):
    before = asked["resume_before_the_first_task"]
    assert before["listings"] == 1
    assert before["records_read"] == 0
    assert before["requests_of_20"] == before["requests_of_40"], "the number of tasks adds pages alone"


def test_the_end_reads_the_records_of_the_part_that_changed_alone(asked):
    whole = asked["resume_in_all"]
    assert whole["records_read_of_40_in_parts_of_2"] <= 3, (
        "two to fold, and a look for the one that is missing"
    )
    assert whole["records_read_of_40"] - whole["records_read_of_20"] == 20, "each record of one part, once"
    assert asked["connections"]["resume_of_40"] <= READS_AT_ONCE + SHARD_CONNECTIONS


def test_the_model_computes_with_these_counts(asked):
    kept = json.loads(RESULTS.read_text())
    for name in ("shard", "shard_of_25_MB", "resume_before_the_first_task", "resume_in_all"):
        assert kept[name] == asked[name], "python -m benchmarks.requests"


def test_listings_come_page_by_page_with_what_they_hold(gcs: Gcs):
    for number in range(1003):
        gcs.put(f"pages/inner/{number:04d}.bin", b"12")
    gcs.put("pages/top.bin", b"1")
    gcs.put("pages/marked/", b"")
    with counted(gcs.proxy) as whole:
        found = dict(iter_below("gs://corpus/pages"))
    assert found == {"top.bin": 1, **{f"inner/{number:04d}.bin": 2 for number in range(1003)}}
    assert whole.requests == 2
    assert list_names("gs://corpus/pages") == ["inner", "marked", "top.bin"]
    assert list_names("gs://corpus/nothing") == []
    with counted(gcs.proxy) as first:
        assert first_name("gs://corpus/pages/inner") == "0000.bin"
    assert first.requests == 1
