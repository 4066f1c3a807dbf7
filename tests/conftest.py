"""Shared fixtures: sample corpora from real photographs, and the outputs that the real job makes of them."""

from __future__ import annotations

import functools
import http.server
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

CONFIGS = Path(__file__).parents[1] / "configs"

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # what a shell starts with "&"; the commands tested here are to hear it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _temporary_files(tmp_path_factory) -> Iterator[None]:
    """Temporary files of tests, and of the commands that they kill, are where pytest removes those of old runs."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _forked_nurseries() -> Iterator[None]:
    """The jobs of this process have nurseries that are forked. `tests/pipelines/workers` starts real ones."""
    from pipelines.workers import nursery

    nests = []

    def start(control, modules):
        if not nests:
            from nurseries import Nest

            nests.append(Nest())
        return nests[0].start(control, modules)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nursery, "_start_process", start)
        yield
    for nest in nests:
        nest.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def serve() -> Iterator:
    """serve(folder) -> "http://127.0.0.1:PORT", a server on loopback that stops with the session."""
    servers = []

    def start(folder: Path) -> str:
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()


@pytest.fixture(scope="session")
def corpora(tmp_path_factory, serve) -> dict[str, list[str]]:
    """The five kinds of source, ten pictures each, as the overrides that `zoetrope animate` takes."""
    from zoetrope.samples import write_coco, write_folder, write_parquet, write_tars, write_tsv

    base = tmp_path_factory.mktemp("corpora")
    (base / "cc3m" / "www").mkdir(parents=True)
    url = serve(base / "cc3m" / "www")
    annotations, images = write_coco(base / "coco", 10, long_side=320)
    return {
        "coco": [f"source.annotations={annotations}", f"source.images={images}"],
        "cc3m": [
            f"source.uri={write_tsv(base / 'cc3m', 10, url, long_side=320)}",
            "fetch.allow_private=true",
        ],
        "tars": [f"source.uri={write_tars(base / 'tars', 10, per_tar=5, long_side=320)}/*.tar"],
        "parquet": [f"source.uri={write_parquet(base / 'parquet', 10, per_file=5, long_side=320)}/*.parquet"],
        "folder": [f"source.uri={write_folder(base / 'folder', 10, long_side=320)}"],
    }


@pytest.fixture(scope="session")
def animated(tmp_path_factory, corpora):
    """animated(kind, store) -> the output folder of the real job on that corpus, made once a session."""
    from zoetrope import cli

    made: dict[tuple[str, str], Path] = {}

    def make(kind: str, store: str = "frames") -> Path:
        if (kind, store) not in made:
            output = tmp_path_factory.mktemp("animated") / f"{kind}-{store}"
            arguments = ["animate", "--config", str(CONFIGS / "animate" / f"{kind}.yaml"), *corpora[kind]]
            code = cli.main(
                [*arguments, f"output={output}", f"store={store}", "shard.max_samples=5", "workers=1"]
            )
            assert code == 0
            made[kind, store] = output
        return made[kind, store]

    return make
