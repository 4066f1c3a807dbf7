"""The pool of worker processes: results, limits, replacement, and no process that outlives its job."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hostile_target import HostileTarget
from processes import is_running
from waiting import wait_until

from pipelines.workers.config import SampleLimits
from pipelines.workers.pool import Lost, WorkerPool
from pipelines.workers.shared import release_pool, share_pool
from schemas.errors import JobError
from schemas.records import Reason

LIMITS = SampleLimits(seconds=1.0, memory_mb=256)
SUPPORT = Path(__file__).parents[2] / "support"


@pytest.fixture(scope="module")
def pool():
    made = WorkerPool(HostileTarget(), LIMITS, workers=2, modules=[])
    yield made
    made.close()


def act(pool: WorkerPool, *items):
    return pool.submit("act", list(items)).result(timeout=60)


def reasons(results) -> list:
    return [result.reason if isinstance(result, Lost) else result for result in results]


def test_each_item_of_a_handful_is_answered_in_its_place(pool):
    futures = [pool.submit("act", [number, number + 0.5]) for number in range(100)]
    assert [future.result() for future in futures] == [[number, number + 0.5] for number in range(100)]
    assert act(pool) == []


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("spin", Reason.DECODER_TIMEOUT),
        ("sleep", Reason.DECODER_TIMEOUT),
        ("memory", Reason.DECODER_MEMORY),
        ("crash", Reason.DECODER_CRASH),
        ("exit", Reason.DECODER_CRASH),
    ],
)
def test_a_sample_that_breaks_a_limit_is_lost_alone(pool, bad, reason):
    assert reasons(act(pool, "a", bad, "b", bad, "c")) == ["a", reason, "b", reason, "c"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the waiting")
def test_time_that_a_worker_waits_for_a_core_does_not_count(monkeypatch):
    monkeypatch.setattr("pipelines.workers.pool.MOST_WAITING", 1000)  # the machine may have other work too
    core = min(os.sched_getaffinity(0))
    spin = f"import os; os.sched_setaffinity(0, {{{core}}}); print(flush=True)\nwhile True: pass"
    others = [subprocess.Popen([sys.executable, "-c", spin], stdout=subprocess.PIPE) for _ in range(4)]
    pool = WorkerPool(HostileTarget(), SampleLimits(seconds=0.8, memory_mb=256), workers=1, modules=[])
    try:
        for other in others:
            assert other.stdout.readline() == b"\n"
        began = time.monotonic()
        assert act(pool, ("compute", 0.2, core)) == [("compute", 0.2, core)]
        assert time.monotonic() - began > 0.8
    finally:
        for other in others:
            other.kill()
            other.communicate()
        pool.close()


def test_a_crash_names_the_signal_and_a_timeout_the_limit(pool):
    assert act(pool, "crash") == [Lost(Reason.DECODER_CRASH, "ended the process that made it (SIGSEGV)")]
    assert act(pool, "sleep") == [
        Lost(Reason.DECODER_TIMEOUT, "took longer than 1 seconds, the limit of a sample")
    ]


def test_results_that_were_not_sent_yet_are_made_again():
    pool = WorkerPool(HostileTarget(), LIMITS, workers=1, modules=[])
    try:
        futures = [
            pool.submit("act", items) for items in (["a", "b", "crash", "c"], ["d", "sleep", "e", "exit"])
        ]
        found = [reasons(future.result(timeout=60)) for future in futures]
    finally:
        pool.close()
    assert found == [
        ["a", "b", Reason.DECODER_CRASH, "c"],
        ["d", Reason.DECODER_TIMEOUT, "e", Reason.DECODER_CRASH],
    ]


def test_a_limit_counts_from_the_beginning_of_a_sample():
    pool = WorkerPool(HostileTarget(), LIMITS, workers=1, modules=[])
    try:
        assert act(pool, *[0.3] * 5) == [0.3] * 5  # longer than the limit together
    finally:
        pool.close()


def test_samples_go_through_each_stage_together(tmp_path):
    """A sample that breaks a limit in any stage is lost alone, and results keep their places."""
    pool = WorkerPool(HostileTarget(marks=str(tmp_path)), LIMITS, workers=1, modules=[])
    samples = [
        ("a", "crash"), ("b",), ("c", "c", "sleep"), ("d", "killed once", "d"), ("crash", "e"), (), ("f", "memory"),
        ("memory", "g"), ("h", "h", "h"),
    ]  # fmt: skip
    try:
        found = [pool.submit("act_in_stages", samples[start : start + 5]).result(60) for start in (0, 4)]
        error = pool.submit("act_in_stages", [("a", "a"), ("b", "raise"), ("c",)]).exception(60)
        numbers = [pool.submit("act_in_stages", [(n, n)] * 3).result(60) for n in range(20)]
    finally:
        pool.close()
    crash, late, memory = Reason.DECODER_CRASH, Reason.DECODER_TIMEOUT, Reason.DECODER_MEMORY
    assert reasons(found[0]) == [crash, ["b"], late, ["d", "killed once", "d"], crash]
    assert reasons(found[1]) == [crash, [], memory, memory, ["h", "h", "h"]]
    assert isinstance(error, ValueError)
    assert numbers == [[[n, n]] * 3 for n in range(20)]


def test_a_limit_counts_all_stages_of_a_sample_and_none_of_the_others():
    pool = WorkerPool(HostileTarget(), LIMITS, workers=1, modules=[])
    try:
        assert pool.submit("act_in_stages", [(0.3, 0.3)] * 2).result(60) == [[0.3, 0.3]] * 2
        found = pool.submit("act_in_stages", [(0.1, 0.1), (0.4,) * 20, (0.1, 0.1)]).result(60)
    finally:
        pool.close()
    assert reasons(found) == [[0.1, 0.1], Reason.DECODER_TIMEOUT, [0.1, 0.1]]


def test_a_worker_that_was_killed_from_outside_costs_no_sample(tmp_path):
    pool = WorkerPool(HostileTarget(marks=str(tmp_path)), LIMITS, workers=1, modules=[])
    try:
        assert act(pool, "a", "killed once", "b") == ["a", "killed once", "b"]
    finally:
        pool.close()


def test_an_exception_of_the_method_is_the_futures_and_the_pool_works_on(pool):
    with pytest.raises(ValueError, match="the method's own"):
        act(pool, "a", "raise")
    assert act(pool, "a") == ["a"]


def test_large_items_and_results_pass_in_both_directions_at_once():
    pool = WorkerPool(HostileTarget(), SampleLimits(), workers=2, modules=[])
    try:
        large = [bytes([number]) * 3_000_000 for number in range(8)]
        futures = [pool.submit("act", large) for _ in range(4)]
        assert all(future.result() == large for future in futures)
    finally:
        pool.close()


def test_the_nursery_may_be_killed_and_is_started_again(pool):
    os.kill(pool._nursery._process.pid, signal.SIGKILL)
    assert [act(pool, number) for number in range(8)] == [[number] for number in range(8)]


@pytest.mark.parametrize(
    ("broken", "message"), [("no model there", "no model there"), ("exit", "exit status 7")]
)
def test_a_target_that_cannot_be_set_up_ends_every_call(broken, message):
    pool = WorkerPool(HostileTarget(broken=broken), LIMITS, workers=2, modules=[])
    try:
        for _ in range(3):
            with pytest.raises(JobError, match=message):
                act(pool, "a")
    finally:
        pool.close()


def test_closing_ends_calls_under_way_and_every_process():
    pool = WorkerPool(HostileTarget(), SampleLimits(), workers=2, modules=[])
    processes = [pool._nursery._process.pid, *act(pool, "process")]
    stuck, waiting = pool.submit("act", ["spin"]), [pool.submit("act", ["sleep"]) for _ in range(5)]
    time.sleep(0.2)
    pool.close()
    for future in (stuck, *waiting):
        assert future.cancelled() or isinstance(future.exception(), JobError)
    assert not any(is_running(process) for process in processes)


JOB = """
import sys
from hostile_target import HostileTarget
from pipelines.workers.config import SampleLimits
from pipelines.workers.pool import WorkerPool
pool = WorkerPool(HostileTarget(), SampleLimits(), workers=2, modules=[])
print(*(pool.submit("act", ["process"]).result()[0] for _ in range(8)), pool._nursery._process.pid, flush=True)
for _ in range(4):
    pool.submit("act", ["spin"])
sys.stdin.read()
"""


@pytest.mark.parametrize("victim", ["job", "nursery"])
def test_no_worker_outlives_a_job_that_is_killed_even_while_it_spins(victim):
    job = subprocess.Popen(
        [sys.executable, "-c", JOB], env={**os.environ, "PYTHONPATH": f"{SUPPORT}:{SUPPORT.parents[1]}"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    *workers, nursery = map(int, job.stdout.readline().split())
    time.sleep(0.2)
    os.kill(nursery if victim == "nursery" else job.pid, signal.SIGKILL)
    wanted = set(workers) if victim == "nursery" else {*workers, nursery}
    wait_until(lambda: not any(map(is_running, wanted)))
    job.kill()
    job.communicate()


def test_equal_targets_of_one_process_share_a_pool_until_the_last_lets_go():
    first = share_pool(HostileTarget(), LIMITS, workers=1)
    second = share_pool(HostileTarget(), LIMITS, workers=1)
    other = share_pool(HostileTarget(marks="x"), LIMITS, workers=1)
    assert first is second
    assert other is not first
    release_pool(first)
    assert act(second, "a") == ["a"]
    release_pool(second)
    release_pool(other)
    assert not is_running(second._nursery._process.pid)


def test_equal_targets_share_a_pool_though_their_pickles_differ():
    text = "no model there"
    target, copy = HostileTarget(text, text), HostileTarget(text, "".join(list(text)))
    assert target == copy
    assert pickle.dumps(target) != pickle.dumps(copy)
    first, second = (share_pool(equal, LIMITS, workers=1) for equal in (target, copy))
    assert first is second
    release_pool(first)
    release_pool(second)
