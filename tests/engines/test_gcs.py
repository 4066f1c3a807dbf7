"""Everything on gs://, against a real server implementation and the real clients: sources, commit, resume, retry, lock,
validate, training; then with faults between."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from gcs_server import SERVER, Fault, Gcs, run_gcs

from schemas.manifest import FAILURES_FILE, SAMPLES_FILE, iter_rows, read_manifest

pytestmark = [
    pytest.mark.gcs,
    pytest.mark.skipif(not SERVER.exists(), reason=f"no {SERVER.name}: `make test-gcs` builds it where Go is at hand"),
]
CONFIGS = Path(__file__).parents[2] / "configs" / "animate"
SMALL = ["clip.size=64", "clip.frames=4", "shard.max_samples=4", "workers=2"]
TABLES = ("manifest.parquet", SAMPLES_FILE, FAILURES_FILE)


@pytest.fixture(scope="module")
def gcs(tmp_path_factory):
    with run_gcs(tmp_path_factory.mktemp("gcs")) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.env.items():
            patch.setenv(name, value)
        yield running


@pytest.fixture(scope="module")
def places(gcs, tmp_path_factory, serve) -> dict[str, tuple[list[str], list[str]]]:
    """kind -> (overrides of a local source, overrides of the same source on gs://)."""
    from pipelines.samples import write_coco, write_folder, write_parquet, write_tars, write_tsv

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

    return cli.main(["animate", "--config", str(CONFIGS / f"{kind}.yaml"), *source, f"output={output}", *SMALL, *more])


def local_shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.tar")}


def remote_shards(gcs: Gcs, prefix: str) -> dict[str, bytes]:
    objects = gcs.objects(f"{prefix}/")
    return {uri.rpartition("/")[2]: data for uri, data in objects.items() if uri.endswith(".tar") and "_zoetrope" not in uri}


def leftovers(gcs: Gcs, prefix: str) -> list[str]:
    return [uri for uri in gcs.objects(f"{prefix}/") if "/tmp/" in uri or uri.endswith("/lock")]


def rows(gcs: Gcs, prefix: str, name: str) -> list[dict]:
    return pq.read_table(io.BytesIO(gcs.objects(f"{prefix}/{name}")[f"gs://corpus/{prefix}/{name}"])).to_pylist()


@pytest.fixture(scope="module")
def whole(places, tmp_path_factory) -> dict[str, bytes]:
    """The shards of the COCO job, made locally."""
    folder = tmp_path_factory.mktemp("local") / "clips"
    assert animate("coco", places["coco"][0], folder) == 0
    return local_shards(folder)


@pytest.mark.parametrize("kind", ["coco", "cc3m", "tars", "parquet", "folder"])
def test_every_source_on_gs_gives_the_bytes_of_the_local_one(gcs, places, tmp_path, kind):
    from pipelines.validate import validate

    local, remote = places[kind]
    assert animate(kind, local, tmp_path / "clips") == 0
    assert animate(kind, remote, f"gs://corpus/out/{kind}") == 0
    assert remote_shards(gcs, f"out/{kind}") == local_shards(tmp_path / "clips")
    assert not leftovers(gcs, f"out/{kind}")
    assert validate(f"gs://corpus/out/{kind}").problems == []
    for name in TABLES:
        assert [*iter_rows(f"gs://corpus/out/{kind}", name)] == [*iter_rows(str(tmp_path / "clips"), name)]
