"""Sources whose parsers run in reader processes: what a parser does costs its inputs alone."""

from __future__ import annotations

import os
import pickle
import time

import pytest

from pipelines.sources.apart import with_limits
from pipelines.sources.base import make_source, read_task
from pipelines.sources.config import SourceConfig
from pipelines.workers.config import SampleLimits
from schemas.errors import ConfigError, JobError
from schemas.records import Failure, Task
from storage.login import get_options, set_options

LIMITS = SampleLimits(seconds=0.3, memory_mb=256)


def hostile(*rows: str, plan=(), shard_samples: int = 100):
    fields = {"kind": "hostile_source:HostileSource", "options": {"rows": list(rows), "plan": list(plan)}}
    return with_limits(make_source(SourceConfig.make(fields), shard_samples=shard_samples), LIMITS)


def told(source, task: Task) -> list[str]:
    items = list(read_task(source, task))
    assert len({item.key for item in items}) == len(items)
    return [str(item.reason) if isinstance(item, Failure) else item.captions[0] for item in items]


def test_tasks_and_inputs_are_those_of_the_source_and_come_from_one_other_process():
    source = hostile("a", "b", "process", shard_samples=2)
    assert [task.samples for task in source.plan()] == [2, 1]
    copy = pickle.loads(pickle.dumps(source))
    first, second = source.plan()
    assert told(copy, first) == ["a", "b"]
    processes = {told(copy, second)[0] for _ in range(3)}
    assert len(processes) == 1
    assert processes != {str(os.getpid())}
    assert source.fingerprint()["rows"] == 3
    assert source.fingerprint()["process"] != os.getpid()
    assert not source.is_remote
    source.close()
    copy.close()


def test_an_input_that_breaks_a_limit_is_a_failure_that_names_the_file_and_the_others_are_read():
    source = hostile("a", "spin", "b", "memory", "crash", "c")
    (task,) = source.plan()
    assert told(source, task) == ["a", "decoder_timeout", "b", "decoder_memory", "decoder_crash", "c"]
    source.close()


def test_the_details_name_file_limit_and_signal():
    source = hostile("memory", "crash")
    memory, crash = read_task(source, next(source.plan()))
    assert memory.detail == "a.tar: needed more than 256 MB of memory (limits.memory_mb)"
    assert crash.detail == "a.tar: ended the process that read it (SIGSEGV)"
    source.close()


@pytest.mark.parametrize("act", ["spin", "memory", "crash", "raise"])
def test_a_parser_that_breaks_a_limit_at_planning_is_one_line_that_names_the_file(act):
    source = hostile("a", plan=["fine", act])
    with pytest.raises(ConfigError, match=rf"^source: {act}\.json: reading it [^\n]*$"):
        list(source.plan())
    source.close()


def test_what_nobody_foresaw_is_one_failure_and_the_reader_goes_on():
    source = hostile("a", "raise", "b")
    (task,) = source.plan()
    items = list(read_task(source, task))
    assert [item.captions[0] for item in (items[0], items[2])] == ["a", "b"]
    assert (items[1].reason, items[1].detail) == (
        "error",
        "a.tar: raised ValueError: the method's own",
    )
    source.close()


def test_errors_that_the_source_means_arrive_as_they_are():
    source = hostile("gone")
    (task,) = source.plan()
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            told(source, task)
    source.close()


def test_pictures_that_are_none_do_not_leave_the_reader():
    source = hostile("a", "text")
    first, second = read_task(source, next(source.plan()))
    assert first.image
    assert (second.stage, second.reason) == ("decode", "not_an_image")
    source.close()


def test_a_stop_ends_a_reader_that_hangs_at_once():
    source = hostile("a", "sleep")
    (task,) = source.plan()
    items = read_task(source, task)
    import threading

    threading.Timer(0.3, source.close).start()
    began = time.monotonic()
    with pytest.raises(JobError, match="stopped"):
        list(items)
    assert time.monotonic() - began < 30  # it sleeps for an hour


def test_a_reading_that_is_broken_off_leaves_no_process():
    source = hostile("process", "sleep")
    items = source.read(next(source.plan()))
    process = int(next(items).captions[0])
    items.close()
    assert not os.path.exists(f"/proc/{process}")
    source.close()


def test_readers_have_the_options_of_object_stores_that_were_set_before_the_first_read():
    source = pickle.loads(pickle.dumps(hostile("stores")))
    before = get_options()
    set_options({"s3": {"endpoint_url": "http://127.0.0.1:9"}})
    try:
        assert told(source, Task(0, 1, {"rows": ["stores"]})) == [
            "{'s3': {'endpoint_url': 'http://127.0.0.1:9'}}"
        ]
    finally:
        set_options(before)
        source.close()
