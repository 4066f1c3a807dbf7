"""The limits of fetching hold for a process, and `per_host` over all workers of a job."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from rogue_server import RogueServer

from pipelines.fetching.config import FetchConfig
from pipelines.fetching.shared import release_fetcher, share_fetcher
from pipelines.making.clips import Animator
from pipelines.running.engine import choose_runner
from schemas.errors import ConfigError
from schemas.records import Reference
from transforms.media.formats.sniff import sniff

ROOT = Path(__file__).parents[3]
WORKER = """
import json, sys
from pipelines.fetching.config import FetchConfig
from pipelines.fetching.shared import share_fetcher
from schemas.records import Reference
config, urls = json.loads(sys.argv[1])
fetcher = share_fetcher(FetchConfig.make(config), len)
print("ready", flush=True)
sys.stdin.readline()
items = [Reference(f"k-{i}", ("a",), "cc3m", url=url) for i, url in enumerate(urls)]
assert all(isinstance(result, bytes) for _, result in fetcher.fetch_all(items))
"""


@pytest.fixture
def server():
    rogue = RogueServer()
    yield rogue
    rogue.close()


def test_several_worker_processes_stay_within_per_host_together(server):
    config = FetchConfig.make({"allow_private": True, "per_host": 7, "concurrency": 50})
    share = config.shared_by(3, "three workers")
    urls = [server.url(f"/numbered/{i}0") for i in range(30)]
    argument = json.dumps([share.to_dict(), urls])
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, argument],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.close()
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    assert 2 < server.most_open <= 6, "two for each"


def test_several_makers_of_a_process_stay_within_per_host_together(server):
    config = FetchConfig.make({"allow_private": True, "per_host": 3, "concurrency": 50})
    fetchers = [share_fetcher(config, sniff) for _ in range(3)]
    items = [
        Reference(f"k-{i}", ("a",), "cc3m", url=server.url(f"/numbered/{i}0")) for i in range(20)
    ]  # fmt: skip
    threads = [threading.Thread(target=lambda own=own: list(own.fetch_all(items))) for own in fetchers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.most_open == 3
    for fetcher in fetchers:
        release_fetcher(fetcher)
    assert next(fetchers[0].fetch_all(items))[1].detail == "the job was stopped", "closed by its last user"


@pytest.mark.parametrize(
    ("workers", "share"), [(1, 32), (3, 10), (32, 1), (None, 32)]
)  # fmt: skip
def test_the_share_of_a_worker(workers, share, caplog):
    assert FetchConfig().shared_by(workers, "a runner").per_host == share
    assert (workers is None) == ("set" in caplog.text or "give their number" in caplog.text)


def test_a_share_of_nothing_is_refused_and_no_limit_stays_none():
    with pytest.raises(ConfigError, match=r"per_host=32 cannot be shared by 100 workers \(Dataflow\)"):
        FetchConfig().shared_by(100, "Dataflow")
    assert FetchConfig(per_host=100).shared_by(100, "Dataflow").per_host == 1
    assert FetchConfig(per_host=0).shared_by(100, "Dataflow").per_host == 0
    assert FetchConfig(workers=4).shared_by(None, "Spark").per_host == 8, "the number that the user gives"


DATAFLOW = ["--runner=DataflowRunner", "--max_num_workers=100"]


@pytest.mark.parametrize(
    ("options", "processes"),
    [
        ([], 1),
        (["--runner=FlinkRunner", "--parallelism=64"], 64),
        (["--runner=FlinkRunner"], None),
        (["--runner=SparkRunner"], None),
        (["--runner=PrismRunner"], 1),
        ([*DATAFLOW, "--experiments=no_use_multiple_sdk_containers"], 100),
        (DATAFLOW, None),  # one process per core, of a number that the options do not say
    ],
)
def test_the_number_of_workers_is_read_from_the_runners_options(options, processes):
    assert choose_runner(options, 2).processes == processes


def test_only_a_source_that_fetches_has_a_share():
    class Local:
        is_remote = False

    maker = Animator(Local(), None)  # type: ignore[arg-type]
    assert maker.shared_by(1000, "a runner") is maker
    Local.is_remote = True
    assert maker.shared_by(16, "a runner").fetch.per_host == 2
