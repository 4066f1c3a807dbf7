"""Everything on gs://, against a real server implementation and the real clients: sources, commit, resume,
retry, lock, validate, training; then with faults between."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from gcs_server import SERVER, Fault, Gcs

from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from storage.tables import iter_rows, read_manifest

pytestmark = [
    pytest.mark.gcs,
    pytest.mark.skipif(
        not SERVER.exists(), reason=f"no {SERVER.name}: `make test-gcs` builds it where Go is at hand"
    ),
]
CONFIGS = Path(__file__).parents[2] / "configs" / "animate"
SMALL = ["clip.size=64", "clip.frames=4", "shard.max_samples=4", "workers=2"]
TABLES = ("manifest.parquet", SAMPLES_FILE, FAILURES_FILE)


@pytest.fixture(scope="module")
def places(gcs, tmp_path_factory, serve) -> dict[str, tuple[list[str], list[str]]]:
    """kind -> (overrides of a local source, overrides of the same source on gs://)."""
    from zoetrope.samples import write_coco, write_folder, write_parquet, write_tars, write_tsv

    base = tmp_path_factory.mktemp("corpora")
    (base / "cc3m" / "www").mkdir(parents=True)
    url = serve(base / "cc3m" / "www")
    annotations, images = write_coco(base / "coco", 10, long_side=200)
    write_folder(base / "folder", 10, long_side=200)
    write_tars(base / "tars", 10, per_tar=5, long_side=200)
    write_parquet(base / "parquet", 10, per_file=5, long_side=200)
    table = write_tsv(base / "cc3m", 10, url, long_side=200)
    remote = gcs.put_folder(base, "sources")

    def both(*fields: str) -> tuple[list[str], list[str]]:
        return list(fields), [field.replace(str(base), remote) for field in fields]

    return {
        "coco": both(f"source.annotations={annotations}", f"source.images={images}"),
        "cc3m": both(f"source.uri={table}", "fetch.allow_private=true"),
        "tars": both(f"source.uri={base}/tars/*.tar"),
        "parquet": both(f"source.uri={base}/parquet/*.parquet"),
        "folder": both(f"source.uri={base}/folder"),
    }


def animate(kind: str, source: list[str], output: object, *more: str) -> int:
    from zoetrope import cli

    return cli.main(
        ["animate", "--config", str(CONFIGS / f"{kind}.yaml"), *source, f"output={output}", *SMALL, *more]
    )


def local_shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.tar")}


def remote_shards(gcs: Gcs, prefix: str) -> dict[str, bytes]:
    names = [name for name in gcs.names(f"{prefix}/") if name.endswith(".tar") and "_zoetrope" not in name]
    return {name.rpartition("/")[2]: gcs.objects(name)[f"gs://corpus/{name}"] for name in names}


def leftovers(gcs: Gcs, prefix: str) -> list[str]:
    return [name for name in gcs.names(f"{prefix}/") if "/tmp/" in name or name.endswith("/lock")]


def rows(gcs: Gcs, prefix: str, name: str) -> list[dict]:
    return pq.read_table(
        io.BytesIO(gcs.objects(f"{prefix}/{name}")[f"gs://corpus/{prefix}/{name}"])
    ).to_pylist()


@pytest.fixture(scope="module")
def whole(places, tmp_path_factory) -> dict[str, bytes]:
    """The shards of the COCO job, made locally."""
    folder = tmp_path_factory.mktemp("local") / "clips"
    assert animate("coco", places["coco"][0], folder) == 0
    return local_shards(folder)


@pytest.mark.parametrize("kind", ["coco", "cc3m", "tars", "parquet", "folder"])
def test_every_source_on_gs_gives_the_bytes_of_the_local_one(gcs, places, tmp_path, kind):
    from pipelines.output.validate import validate

    local, remote = places[kind]
    assert animate(kind, local, tmp_path / "clips") == 0
    assert animate(kind, remote, f"gs://corpus/out/{kind}") == 0
    assert remote_shards(gcs, f"out/{kind}") == local_shards(tmp_path / "clips")
    assert not leftovers(gcs, f"out/{kind}")
    assert validate(f"gs://corpus/out/{kind}").problems == []
    for name in TABLES:
        assert [*iter_rows(f"gs://corpus/out/{kind}", name)] == [*iter_rows(str(tmp_path / "clips"), name)]


FAULTS = {
    "503 on everything now and then": [
        Fault("503", skip=3, times=2),
        Fault("503", "POST|PUT", "/upload/", skip=2, times=2),
    ],
    "uploads reset in the middle": [Fault("reset", "PUT|POST", "/upload/", skip=1, times=3)],
    "uploads done, but the answer is lost": [Fault("lost", "PUT|POST", "/upload/", times=2, skip=3)],
    "reads that break off": [Fault("cut", "GET", "alt=media", times=3)],
    "slow reads": [Fault("slow", "GET", "alt=media", times=4)],
    "batches refused in part": [
        Fault("503", "POST", "/moveTo/|/rewriteTo/", times=2),
        Fault("503", "DELETE", times=2),
    ],
    "listings of a moment ago": [Fault("stale", "GET", r"/o\?.*prefix=out/fault", times=12)],
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_ridden_out(gcs, places, whole, name):
    prefix = f"out/fault-{list(FAULTS).index(name)}"
    with gcs.faults(*FAULTS[name]):
        assert animate("coco", places["coco"][1], f"gs://corpus/{prefix}") == 0
    assert remote_shards(gcs, prefix) == whole
    assert len(rows(gcs, prefix, SAMPLES_FILE)) == 10
    assert rows(gcs, prefix, FAILURES_FILE) == []
    assert not leftovers(gcs, prefix) or name.startswith("listings")


def test_a_store_that_refuses_is_one_line_and_the_next_run_goes_on(gcs, places, whole, capsys):
    prefix = "out/refused"
    with gcs.faults(Fault("403", "PUT|POST", "/upload/.*out/refused/.*tar", times=10_000)):
        assert animate("coco", places["coco"][1], f"gs://corpus/{prefix}") == 1
    told = [line for line in capsys.readouterr().err.splitlines() if "cannot be written" in line]
    assert len(told) == 1
    assert "gs://corpus/out/refused" in told[0]
    assert not remote_shards(gcs, prefix)
    assert not leftovers(gcs, prefix)
    assert animate("coco", places["coco"][1], f"gs://corpus/{prefix}") == 0
    assert remote_shards(gcs, prefix) == whole


def test_kill_9_then_the_rest_and_only_the_rest(gcs, places, whole):
    prefix = "out/killed"
    command = [
        sys.executable,
        "-m",
        "zoetrope.cli",
        "animate",
        "--config",
        str(CONFIGS / "coco.yaml"),
        *places["coco"][1],
    ]
    job = subprocess.Popen(
        [*command, f"output=gs://corpus/{prefix}", *SMALL], stderr=subprocess.PIPE, text=True
    )
    assert job.stderr is not None
    assert "3 tasks" in job.stderr.readline()
    while job.poll() is None and not remote_shards(gcs, prefix):
        time.sleep(0.02)
    job.kill()
    _, told = job.communicate()
    assert remote_shards(gcs, prefix), told
    assert all(whole[name] == data for name, data in remote_shards(gcs, prefix).items()), (
        "whole, or not there"
    )
    assert animate("coco", places["coco"][1], f"gs://corpus/{prefix}") == 0
    assert remote_shards(gcs, prefix) == whole
    assert not leftovers(gcs, prefix)


def test_a_pass_over_the_whole_input_and_growth(gcs, tmp_path, capsys):
    from zoetrope.samples import write_folder

    folder = write_folder(tmp_path / "photos", 10, long_side=200)
    for number, picture in enumerate(sorted(folder.glob("*.jpg"))[:3]):
        shutil.copy(picture, folder / f"zz-{number}.jpg")
        (folder / f"zz-{number}.txt").write_text("a copy")
    gcs.put_folder(folder, "repeats")
    local = [f"source.uri={folder}", "filters=[exact_duplicates]"]
    remote, output = ["source.uri=gs://corpus/repeats", local[1]], "gs://corpus/out/repeats"
    for limit in ("source.limit=6", "source.limit=null"):
        assert animate("folder", [*local, limit], tmp_path / "clips") in (0, 1)
    assert animate("folder", [*remote, "source.limit=6"], output) in (0, 1)
    capsys.readouterr()
    with gcs.faults(Fault("403", "PUT|POST", "/upload/.*verdicts", times=10_000)):
        assert animate("folder", remote, output) == 1
    told = capsys.readouterr().err.splitlines()
    assert "the output cannot be written" in told[-1], told
    assert animate("folder", remote, output) in (0, 1)
    assert remote_shards(gcs, "out/repeats") == local_shards(tmp_path / "clips")
    assert not leftovers(gcs, "out/repeats")
    for name in TABLES:
        assert [*iter_rows(output, name)] == [*iter_rows(str(tmp_path / "clips"), name)]


def test_a_second_job_is_refused_while_the_first_holds_the_lease(gcs, places, capsys):
    from pipelines.output.folder import Output
    from pipelines.output.lock import output_lock

    with output_lock(Output("gs://corpus/out/held")):
        assert animate("coco", places["coco"][1], "gs://corpus/out/held") == 2
    assert "another job is writing there" in capsys.readouterr().err
    assert not gcs.objects("out/held/")


@pytest.mark.parametrize(
    "content",
    [b"", b"[" * 100_000, b'{"time": 1' + b"0" * 400 + b', "pid": 1' + b"0" * 30 + b"}", b"x" * 3_000_000],
)
def test_a_damaged_lease_is_taken_after_its_length(gcs, content):
    from storage.locks.lock import Lock

    gcs.put("damaged/lock", content)
    with Lock("gs://corpus/damaged/lock", str, beat=0.05, lease=0.3, settle=0) as lock:
        assert not lock.lost
        assert b'"token"' in gcs.objects("damaged/")["gs://corpus/damaged/lock"]
    assert not gcs.objects("damaged/")


def test_retry_adds_what_failed(gcs, places, capsys):
    from zoetrope import cli

    good = gcs.objects("sources/folder/")
    names = sorted(name for name in good if name.endswith(".jpg"))
    for uri, data in good.items():
        gcs.put(
            uri.removeprefix("gs://corpus/").replace("sources", "mended"),
            data if uri != names[3] else b"no picture",
        )
    output = "gs://corpus/out/mended"
    assert animate("folder", ["source.uri=gs://corpus/mended/folder", "max_failure_ratio=1"], output) == 0
    before = remote_shards(gcs, "out/mended")
    assert len(rows(gcs, "out/mended", FAILURES_FILE)) == 1
    gcs.put(names[3].removeprefix("gs://corpus/").replace("sources", "mended"), good[names[3]][:-1] + b"\0")
    code = cli.main(["retry", output])
    told = capsys.readouterr()
    assert code in (0, 2), told.err  # a picture of another size is another source, and is said to be one
    after = remote_shards(gcs, "out/mended")
    assert {name: after[name] for name in before} == before


def test_training_streams_shards_from_gs(gcs, places, tmp_path):
    from trainer.data.shards import ShardSet, read_ahead, read_shards

    assert animate("coco", places["coco"][1], "gs://corpus/out/coco") == 0
    shards = ShardSet.find("gs://corpus/out/coco/*.tar")
    assert shards.samples == 10
    with gcs.faults(Fault("slow", "GET", "alt=media", times=2), Fault("503", "GET", "tar", times=1)):
        samples = list(read_ahead(read_shards(shards.uris, policy="error", on_broken=print), 8))
    assert [s.key for s in samples] == [row["key"] for row in iter_rows("gs://corpus/out/coco", SAMPLES_FILE)]
    assert [row.shard for row in read_manifest("gs://corpus/out/coco")] == [
        uri.rpartition("/")[2] for uri in shards.uris
    ]


@pytest.mark.parametrize("output", ["nowhere://bucket/clips", "s3://bucket/clips"])
def test_a_scheme_that_nobody_knows_is_one_line(places, output, capsys):
    assert animate("coco", places["coco"][0], output) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    assert output in err


def test_a_shard_is_read_in_few_requests(gcs):
    from storage.read import open_uri

    uri = gcs.put("large.bin", bytes(2_000_000))
    gcs.proxy.log.clear()
    with open_uri(uri) as stream:
        assert sum(len(part) for part in iter(lambda: stream.read(10_240), b"")) == 2_000_000
    assert len(gcs.proxy.log) < 10
