"""Jobs on a real Flink session cluster give the bytes of the direct runner, whatever is killed meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path

import pytest
from engine_runs import (
    ROOT,
    TASKS,
    at_work,
    finish,
    fork_server,
    harnesses,
    held_jobs,
    job_holder,
    on_loopback_alone,
    run,
    start,
    wait_for,
    wait_for_the_middle,
    wait_while,
    workers_of,
    write_source,
    written_records,
)

from clusters import supervisor
from clusters.flink import ClusterConfig, down, find_flink, find_job_server, main, status, up
from clusters.jars import EngineError, java_options
from clusters.pools import free_port, group_alive, is_listening
from pipelines.running.remote.flink import PART
from tests.engines.test_prism import check_same

ENDED = {"CANCELED", "FAILED", "FINISHED"}
pytestmark = [
    pytest.mark.flink,
    pytest.mark.skipif(shutil.which("java") is None, reason="no java on the PATH"),
]


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> ClusterConfig:
    try:
        find_flink()
        find_job_server()
        java_options()
    except EngineError as error:
        pytest.skip(str(error))
    ports = {
        "ui_port": free_port(),
        "rpc_port": free_port(),
        "pool_port": free_port(),
        "job_port": free_port(),
    }
    return ClusterConfig(state=tmp_path_factory.mktemp("flink"), **ports)


@pytest.fixture(scope="module")
def holder(tmp_path_factory) -> Iterator[Path]:
    """The file that holds jobs."""
    with job_holder(tmp_path_factory.mktemp("hold")) as path:
        yield path


@pytest.fixture(scope="module")
def cluster(config, holder) -> Iterator[ClusterConfig]:
    up(config)
    groups = supervisor.processes(config.state)
    yield config
    groups |= supervisor.processes(config.state)
    down(config)
    assert not any(group_alive(group) for group in groups.values())
    assert not any(is_listening(port) for port in config.ports)


@pytest.fixture(scope="module")
def beam(cluster) -> list[str]:
    """The file that users take, with this cluster's ports."""
    places = [
        f"--flink_master=127.0.0.1:{cluster.ui_port}",
        f"--job_endpoint=127.0.0.1:{cluster.job_port}",
        f"--environment_config=127.0.0.1:{cluster.pool_port}",
    ]
    return ["--runner-config", str(ROOT / "configs" / "runners" / "flink.yaml"), "--", *places]


@pytest.fixture(scope="module")
def two_slots(beam) -> list[str]:
    """Two parts in place of four: each starts a Python worker, which takes seconds."""
    return [*beam, "--parallelism=2"]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return write_source(tmp_path_factory.mktemp("corpus") / "photos")


@pytest.fixture(scope="module")
def direct(source, holder, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("direct") / "clips"
    finish(start(source, output, "workers=2"))
    return output


@pytest.fixture
def hold(direct, holder, cluster) -> Iterator[Path]:
    """The file that holds jobs, which is there. After a test that failed, no job keeps the slots of the next one."""
    with held_jobs(holder):
        yield holder
    for job in ask(cluster, "/jobs/overview")["jobs"]:
        if job["state"] not in ENDED:
            ask(cluster, f"/jobs/{job['jid']}?mode=cancel", "PATCH")


def ask(cluster: ClusterConfig, path: str, method: str = "GET") -> dict:
    """Ask the JobManager."""
    request = urllib.request.Request(f"http://127.0.0.1:{cluster.ui_port}{path}", method=method)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def last_parts(cluster: ClusterConfig) -> list[dict]:
    """What the JobManager knows of the Flink jobs of the job that was submitted last."""
    jobs = ask(cluster, "/jobs/overview")["jobs"]
    name = PART.sub("", max(jobs, key=lambda job: job["start-time"])["name"])
    return [ask(cluster, f"/jobs/{job['jid']}") for job in jobs if PART.sub("", job["name"]) == name]


def subtasks(cluster: ClusterConfig, job: dict) -> list[dict]:
    """The subtasks of a Flink job that were given to a TaskManager."""
    found = [
        subtask
        for stage in job["vertices"]
        for subtask in ask(cluster, f"/jobs/{job['jid']}/vertices/{stage['id']}")["subtasks"]
    ]
    return [subtask for subtask in found if "(unassigned)" not in subtask["host"]]


def failures(cluster: ClusterConfig, parts: list[dict], since: float) -> list[str]:
    """Why subtasks of parts have failed, each with the seconds from the time `since`, for a message."""
    found = []
    for part in parts:
        history = ask(cluster, f"/jobs/{part['jid']}/exceptions")["exceptionHistory"]["entries"]
        for entry in history:
            causes = [line for line in entry["stacktrace"].splitlines() if not line.startswith("\tat ")]
            found.append(
                f"{part['name']} {entry['timestamp'] / 1000 - since:+.1f} s, {entry['endpoint']}: {causes}"
            )
    return found


def all_at_work(cluster: ClusterConfig, output: Path) -> bool:
    """Has each of four parts made a task, and a Python worker that makes others?

    Beam notices after minutes only that a worker has died before it took its first task.
    """
    size = ceil(TASKS / 4)
    made = {int(path.stem) // size for path in (output / "_zoetrope" / "records").glob("[0-9]*.parquet")}
    return len(made) == len(last_parts(cluster)) == len(at_work(cluster.state)) == 4


def unconnected(cluster: ClusterConfig) -> list[Path]:
    """The requests of Python workers that have not connected yet."""
    return list((cluster.state / "waiting").glob("*"))


@contextmanager
def stopped(*processes: int) -> Iterator[None]:
    """Stop processes in this block: they do nothing, and nobody can connect to them."""
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def task_managers(cluster: ClusterConfig) -> set[str]:
    return {each["id"] for each in ask(cluster, "/taskmanagers")["taskmanagers"]}


def test_shards_are_those_of_the_direct_runner(beam, cluster, source, direct, hold, tmp_path):
    """Though the first Python worker is killed before it has connected, of which Beam tells nobody."""
    with stopped(fork_server(cluster.state)):
        job = start(source, tmp_path / "clips", *beam)
        wait_while(job, lambda: not unconnected(cluster))
        groups = supervisor.processes(cluster.state)
        machines = [groups[name] for name in ("taskmanager-0", "taskmanager-1")]
        with stopped(*machines):
            os.kill(fork_server(cluster.state), signal.SIGCONT)
            wait_for(lambda: bool(harnesses(cluster.state)))
            assert unconnected(cluster)
            os.kill(harnesses(cluster.state)[0], signal.SIGKILL)
    wait_for_the_middle(job, tmp_path / "clips")
    assert on_loopback_alone(supervisor.processes(cluster.state).values()), "while a job runs too"
    hold.unlink()
    assert "FlinkRunner" in finish(job)
    check_same(direct, tmp_path / "clips")
    assert "it is started again" in (cluster.state / "logs" / "pool.log").read_text()
    assert {part["timestamps"]["RESTARTING"] for part in last_parts(cluster)} == {0}
    wait_for(lambda: not workers_of(cluster.state))


def test_ctrl_c_cancels_and_the_same_command_goes_on(beam, cluster, source, direct, hold, tmp_path):
    output, earlier = tmp_path / "clips", set(harnesses(cluster.state))
    job = start(source, output, *beam)
    wait_while(job, lambda: not set(harnesses(cluster.state)) - earlier)
    job.send_signal(signal.SIGINT)  # while parts are handed in, and while a Python worker starts
    assert "stopped" in finish(job, 130)
    cancelled = last_parts(cluster)
    assert {part["state"] for part in cancelled} == {"CANCELED"}
    job = start(source, output, *beam)
    wait_for_the_middle(job, output, new=3)
    job.send_signal(signal.SIGINT)
    assert "stopped" in finish(job, 130)
    assert {part["state"] for part in last_parts(cluster)} == {"CANCELED"}
    # The tasks of these workers are held: they would not end by themselves. Nor do they write any more.
    wait_for(lambda: not at_work(cluster.state), 15)
    done = written_records(output)
    assert len(done) < TASKS
    assert not (output / "_zoetrope" / "tmp").exists()
    hold.unlink()
    assert "done before" in finish(start(source, output, *beam))
    check_same(direct, output)
    assert done.items() <= written_records(output).items(), "nothing is made twice"
    # Beam's runner leaves a worker whose part is cancelled while it starts. It ends by itself.
    wait_for(lambda: not workers_of(cluster.state))


@pytest.mark.parametrize("victim", ["harness", "taskmanager-0", "pool"])
def test_what_is_killed_in_mid_job_is_made_again(beam, cluster, source, direct, hold, tmp_path, victim):
    output = tmp_path / "clips"
    job = start(source, output, *beam)
    wait_for_the_middle(job, output)
    wait_while(job, lambda: not all_at_work(cluster, output))
    before: dict[str, list[dict]] = {}

    def are_seen() -> bool:
        """Does the JobManager show every part as running? Its answers may be three seconds old."""
        before.update((part["jid"], subtasks(cluster, part)) for part in last_parts(cluster))
        return all("RUNNING" in {task["status"] for task in own} for own in before.values())

    wait_while(job, lambda: not are_seen())
    machines, done, killed = task_managers(cluster), written_records(output), time.time()
    if victim == "harness":
        os.kill(at_work(cluster.state)[-1], signal.SIGKILL)
    else:
        os.killpg(supervisor.processes(cluster.state)[victim], signal.SIGKILL)
    hold.unlink()
    finish(job)
    check_same(direct, output)
    # The job server may report the end of a part before the JobManager does.
    wait_for(lambda: [part["state"] for part in last_parts(cluster)] == ["FINISHED"] * 4)
    parts = last_parts(cluster)
    hit = {part["jid"] for part in parts if part["timestamps"]["RESTARTING"] > 0}
    if victim == "harness":
        assert len(hit) == 1, ("each part has a Python worker", failures(cluster, parts, killed))
    if victim == "taskmanager-0":
        gone = machines - task_managers(cluster)
        there = {
            jid: {task["status"] for task in own if task["taskmanager-id"] in gone}
            for jid, own in before.items()
        }
        ran_there = {jid for jid, states in there.items() if "RUNNING" in states}
        # A source that had ended there is made again only if its task had not read it whole.
        were_there = {jid for jid, states in there.items() if states}
        assert ran_there <= hit <= were_there, failures(cluster, parts, killed)
    if victim == "pool":
        assert hit == set(before)
    others = [task["attempt"] for part in parts if part["jid"] not in hit for task in subtasks(cluster, part)]
    assert set(others) <= {0}, "what was not hit is at its first attempt"
    assert others or victim == "pool"
    assert done.items() <= written_records(output).items(), "nothing is made twice"
    wait_for(lambda: status(cluster)["slots-available"] == 4)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_submitter_ends_and_the_same_command_attaches(
    two_slots, cluster, source, direct, hold, tmp_path, number
):
    output = tmp_path / "clips"
    job = start(source, output, *two_slots)
    wait_for_the_middle(job, output)  # more than one part makes: the other one has been handed in too
    job.send_signal(number)
    told = finish(job, 130 if number == signal.SIGTERM else -signal.SIGKILL)
    assert number == signal.SIGKILL or "the job runs on: FlinkRunner job zoetrope-" in told
    before = {part["jid"] for part in last_parts(cluster)}
    hold.unlink()
    assert "attached to FlinkRunner job zoetrope-" in finish(start(source, output, *two_slots))
    assert {part["jid"] for part in last_parts(cluster)} == before, "no second job was started"
    # The job server may report the end of a part before the JobManager does.
    wait_for(lambda: {part["state"] for part in last_parts(cluster)} == {"FINISHED"})
    check_same(direct, output)


def test_a_detached_job_runs_without_its_submitter(two_slots, cluster, source, direct, hold, tmp_path):
    output = tmp_path / "clips"
    assert "the job runs on" in finish(start(source, output, "--detach", *two_slots))
    hold.unlink()
    wait_for(lambda: {part["state"] for part in last_parts(cluster)} == {"FINISHED"}, 400)
    assert "attached to" in finish(start(source, output, *two_slots))
    check_same(direct, output)


def test_what_a_worker_cannot_write_is_one_line(two_slots, cluster, source, direct, hold, tmp_path):
    output = tmp_path / "clips"
    job = start(source, output, *two_slots)
    wait_for_the_middle(job, output)
    (output / "00070.tar").mkdir()  # where a shard should be
    hold.unlink()
    told = finish(job, 1).splitlines()
    assert [line for line in told if "00070.tar" in line] == told[-1:]
    assert "the output cannot be written" in told[-1]
    (output / "00070.tar").rmdir()
    finish(start(source, output, *two_slots))
    check_same(direct, output)


def test_videos_are_imported(two_slots, tmp_path):
    from made_videos import make_video

    for i, colour in enumerate(["red", "green", "blue"] * 2):
        make_video(tmp_path / "videos" / f"v{i}.mp4", colour=colour)
    rows = [f"v{i},a square goes by {i}" for i in range(6)]
    (tmp_path / "captions.csv").write_text("\n".join(["video_id,caption", *rows, "v9,not there"]))
    fields = [f"source.videos={tmp_path / 'videos'}", f"source.annotations={tmp_path / 'captions.csv'}"]
    fields += ["shard.max_samples=2", "max_failure_ratio=1"]
    finish(run("import-videos", "import/csv", *fields, f"output={tmp_path / 'direct'}"))
    finish(run("import-videos", "import/csv", *fields, f"output={tmp_path / 'flink'}", *two_slots))
    check_same(tmp_path / "direct", tmp_path / "flink")


def test_a_pass_over_the_whole_input_drops_what_it_drops_on_the_direct_runner(two_slots, tmp_path):
    from zoetrope.samples import write_folder

    fields = [f"source.uri={write_folder(tmp_path / 'photos', 30, long_side=120)}", "max_failure_ratio=1"]
    fields += ["clip.size=32", "clip.frames=2", "shard.max_samples=4", "workers=1"]
    fields += ["filters=[exact_duplicates, {name: near_duplicates, max_distance: 2}]"]
    finish(run("animate", "animate/folder", *fields, f"output={tmp_path / 'direct'}"))
    finish(run("animate", "animate/folder", *fields, f"output={tmp_path / 'flink'}", *two_slots))
    check_same(tmp_path / "direct", tmp_path / "flink")


def test_the_runner_starts_a_job_server_of_its_own(cluster, source, direct, tmp_path, monkeypatch):
    """The job server starts from its jar, and its jars reach the cluster with the job."""
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx512m")
    options = [
        "--runner=FlinkRunner",
        f"--flink_master=127.0.0.1:{cluster.ui_port}",
        f"--flink_job_server_jar={find_job_server()}",
    ]
    options += [
        "--parallelism=4",
        "--environment_type=EXTERNAL",
        f"--environment_config=127.0.0.1:{cluster.pool_port}",
    ]
    finish(start(source, tmp_path / "clips", "--", *options))
    check_same(direct, tmp_path / "clips")


def test_a_second_cluster_is_refused(cluster, tmp_path):
    with pytest.raises(EngineError, match="up already"):
        up(cluster)
    with pytest.raises(EngineError, match=f"port {cluster.ui_port} is taken"):
        up(ClusterConfig(cluster.ui_port, free_port(), free_port(), free_port(), state=tmp_path))


def test_a_cluster_whose_supervisor_was_killed_is_stopped(cluster):
    """Last: it takes the cluster down."""
    groups = supervisor.processes(cluster.state)
    os.kill(groups["supervisor"], signal.SIGKILL)
    down(cluster)
    assert not any(group_alive(group) for group in groups.values())
    assert main(["down"]) == 0, "a second time does no harm"
