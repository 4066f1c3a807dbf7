"""Fetch and store, compared with img2dataset: pictures per second from a server on loopback.

    python -m venv /tmp/peer && /tmp/peer/bin/pip install img2dataset
    python -m benchmarks.fetch --peer /tmp/peer/bin/python [--pictures 4000]

Ours fetches, decodes, draws a motion and stores a still with its trajectory (store=still); img2dataset
fetches and resizes to 256. Both write WebDataset tars. Each shard's own begin and end are counted, not the
start of interpreters. Runs take turns, and the ratio is the median of the runs' ratios. Without --peer only
ours runs. The server runs on the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import spread, write

PER_SHARD = 500
PEER = """
import sys
from img2dataset import download
url_list, output, processes, threads, per_shard = sys.argv[1:]
if __name__ == "__main__":
    download(url_list=url_list, input_format="tsv", url_col="url", caption_col="caption", output_folder=output,
             output_format="webdataset", image_size=256, resize_mode="keep_ratio", resize_only_if_bigger=True,
             processes_count=int(processes), thread_count=int(threads), number_sample_per_shard=int(per_shard),
             enable_wandb=False, disallowed_header_directives=["noai", "noimageai", "noindex", "noimageindex"])
"""


class Server(asyncio.Protocol):
    """Answers any path with one of a few photographs, keeping connections open as web servers do."""

    pictures: tuple[bytes, ...] = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
            body = self.pictures[hash(head.split(b" ", 2)[1]) % len(self.pictures)]
            closing = b"connection: close" in head.lower()
            lines = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n%s\r\n"
            self.transport.write(lines % (len(body), b"Connection: close\r\n" if closing else b"") + body)
            if closing:
                self.transport.close()


def serve(port: multiprocessing.Queue) -> None:
    from zoetrope.samples import pictures

    Server.pictures = tuple(picture.jpeg for picture in pictures(64, long_side=512))

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
        port.put((server.sockets[0].getsockname()[1], statistics.mean(map(len, Server.pictures))))
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def server() -> Iterator[tuple[str, float]]:
    """Start a server process. Yields (base URL, mean bytes of a picture)."""
    port: multiprocessing.Queue = multiprocessing.Queue()
    process = multiprocessing.Process(target=serve, args=(port,), daemon=True)
    process.start()
    number, size = port.get(timeout=120)
    yield f"http://127.0.0.1:{number}", size
    process.terminate()
    process.join()


def run_ours(table: Path, output: Path, processes: int, concurrency: int) -> float:
    """Return pictures per second."""
    from pipelines.sources.base import make_source
    from pipelines.sources.config import SourceConfig

    output.mkdir()
    source = make_source(SourceConfig(kind="cc3m", uri=str(table)), shard_samples=PER_SHARD)
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, initializer=_start, initargs=(source, concurrency, str(output))) as pool:
        spans = pool.map(_make, source.plan(), chunksize=1)
    written = sum(count for count, _, _ in spans)
    return written / (max(end for _, _, end in spans) - min(begin for _, begin, _ in spans))


def _start(source: object, concurrency: int, output: str) -> None:
    global ANIMATOR, OUTPUT
    from pipelines.fetching.config import FetchConfig
    from pipelines.making.clips import Animator
    from transforms.settings import ClipSettings

    fetch = FetchConfig(allow_private=True, concurrency=concurrency, per_host=0)
    ANIMATOR, OUTPUT = (
        Animator(source, ClipSettings(store="still"), fetch, device="cpu", threads=1),
        Path(output),
    )
    ANIMATOR.setup()


def _make(task: object) -> tuple[int, float, float]:
    from pipelines.making.maker import StageTimes
    from schemas.records import Failure
    from storage.shards.write import ShardWriter

    begin = time.time()
    with (OUTPUT / f"{task.index:05d}.tar").open("wb") as stream:
        writer = ShardWriter(stream)
        for item in ANIMATOR.make(task, StageTimes()):
            assert not isinstance(item, Failure), item
            writer.write(item.key, item.members)
        writer.close()
    return writer.samples, begin, time.time()


def run_peer(python: str, table: Path, output: Path, processes: int, concurrency: int) -> float:
    """Return pictures per second, from the start and end times that img2dataset writes for each shard."""
    script = output.with_suffix(".py")
    script.write_text(PEER)
    command = [python, str(script), str(table), str(output), str(processes), str(concurrency), str(PER_SHARD)]
    subprocess.run(command, check=True, capture_output=True)
    stats = [json.loads(path.read_text()) for path in output.glob("*_stats.json")]
    seconds = max(s["end_time"] for s in stats) - min(s["start_time"] for s in stats)
    return sum(s["successes"] for s in stats) / seconds


def peer_version(python: str) -> str:
    code = "import importlib.metadata as m; print(m.version('img2dataset'))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", help="python of an environment that has img2dataset")
    parser.add_argument("--pictures", type=int, default=4000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--concurrency", type=int, default=32, help="in flight in each process")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args(argv)
    rates: dict[str, list[float]] = {"ours": [], "img2dataset": []}
    with tempfile.TemporaryDirectory(prefix="zoetrope-fetch-") as folder, server() as (base, size):
        rows = [(f"picture number {i}", f"{base}/{i}.jpg") for i in range(options.pictures)]
        ours, theirs = Path(folder) / "ours.tsv", Path(folder) / "theirs.tsv"
        ours.write_text("".join(f"{caption}\t{url}\n" for caption, url in rows))
        theirs.write_text("caption\turl\n" + ours.read_text())
        for run in range(options.runs):
            rates["ours"].append(
                run_ours(ours, Path(folder) / f"ours-{run}", options.processes, options.concurrency)
            )
            if options.peer:
                output = Path(folder) / f"theirs-{run}"
                rates["img2dataset"].append(
                    run_peer(options.peer, theirs, output, options.processes, options.concurrency)
                )
            print(
                f"run {run}: "
                + ", ".join(f"{name} {values[-1]:.0f}/s" for name, values in rates.items() if values)
            )
    rates = {name: values for name, values in rates.items() if values}
    setting = {
        "processes": options.processes,
        "in_flight_each": options.concurrency,
        "pictures": options.pictures,
    }
    results: dict[str, object] = setting | {"picture_bytes": round(size), "pictures_per_second": rates}
    if options.peer:
        ratios = [a / b for a, b in zip(rates["ours"], rates["img2dataset"], strict=True)]
        results |= {"ratio": spread(ratios, 3), "img2dataset": peer_version(options.peer)}
        print(f"ours / img2dataset = {statistics.median(ratios):.2f}")
    results["median"] = {name: round(statistics.median(values), 1) for name, values in rates.items()}
    print(write("fetch", results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
