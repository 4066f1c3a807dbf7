"""`zoetrope studio`: look at motions and shards in a web page on this machine."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from schemas.errors import ConfigError
from schemas.manifest import MANIFEST_FILE, SAMPLES_FILE
from schemas.text import one_line
from storage.read import exists
from storage.uris import join

if TYPE_CHECKING:
    from preview.studio.search import Searcher

DEFAULT_PORT = 7865


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see `zoetrope studio --help`")


def main(argv: list[str]) -> int:
    """The command. Serves until Ctrl-C; returns 130 then. Raises ConfigError for bad usage and a port in use."""
    parser = _Parser(
        prog="zoetrope studio",
        description="Look at camera motions on pictures, and at the clips of an output, in a web page on this machine.",
        epilog="examples: zoetrope studio photos/; zoetrope studio clips/; zoetrope studio photos/ gs://bucket/clips; "
        "zoetrope studio clips/ --index index/",
    )
    parser.add_argument(
        "paths", nargs="*", metavar="PICTURES | OUTPUT", help="pictures, folders of them, and output folders"
    )
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help=f"default {DEFAULT_PORT}; 0 = any that is free"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: this machine alone)"
    )
    parser.add_argument(
        "--index",
        metavar="DIR",
        help="an index made by `zoetrope index`: adds a tab that searches it by text",
    )
    args = parser.parse_args(argv)
    return studio(args.paths, port=args.port, host=args.host, index=args.index)


def studio(
    paths: Sequence[str] = (), *, port: int = DEFAULT_PORT, host: str = "127.0.0.1", index: str | None = None
) -> int:
    """Serve the page until interrupted (returns 130). `paths` are pictures, folders of pictures, and outputs, local or URIs.

    `index` is a folder made by `zoetrope index`: what the Search tab searches, which is hidden without one.
    There is no password: on another `host` than this machine, whoever reaches the port sees the pictures and outputs.
    Raises ConfigError (one line) for a path that is neither, and for a port that cannot be had.
    """
    listener = _listen(host, port)
    with contextlib.closing(listener):
        from preview.studio.pictures import PictureBook
        from preview.studio.server import Studio, make_app
        from preview.studio.shards import OutputView

        outputs = [path for path in paths if _is_output(path)]
        pictures = [path for path in paths if path not in outputs]
        app = make_app(
            Studio(PictureBook(pictures), [OutputView(uri) for uri in outputs], _searcher(index), host)
        )
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(app, listener))
    return 130


def _searcher(index: str | None) -> Searcher | None:
    if index is None:
        return None
    from preview.studio.search import IndexSearcher  # loads the trainer: for this alone

    return IndexSearcher(index)


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, before anything slow: a port in use is told at once."""
    if not 0 <= port <= 65535:
        raise ConfigError(f"port = {port}: it must be 0 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        hint = "choose another with --port, or --port 0 for any" if port else "check --host"
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}; {hint}") from None
    return listener


def _is_output(path: str) -> bool:
    if path.endswith((".tar", ".parquet")):
        raise ConfigError(f"{path}: give the output folder that holds it, with its {SAMPLES_FILE}")
    try:
        if exists(join(path, SAMPLES_FILE)):
            return True
        if exists(join(path, MANIFEST_FILE)):
            raise ConfigError(
                f"{path}: has no {SAMPLES_FILE}; run `zoetrope animate` again to finish the job"
            )
    except (OSError, ValueError, ImportError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path}: cannot be read: {one_line(error)}") from None
    return False


async def _serve(app: object, listener: socket.socket) -> None:
    from aiohttp import web

    runner = web.AppRunner(app, access_log=None)  # type: ignore[arg-type]
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        host, port = listener.getsockname()[:2]
        print(
            f"Zoetrope studio: http://{f'[{host}]' if ':' in host else host}:{port}  (Ctrl-C ends it)",
            flush=True,
        )
        if not _is_loopback(host):
            print("Anyone who can reach this address can see what it shows.", file=sys.stderr, flush=True)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def _is_loopback(host: str) -> bool:
    import ipaddress

    return ipaddress.ip_address(host.partition("%")[0]).is_loopback


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
