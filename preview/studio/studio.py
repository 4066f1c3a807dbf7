"""The studio's process: a server on this machine for the page that shows motions and shards."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from aiohttp import web

from preview.studio.outputs.view import OutputView
from preview.studio.pictures import PictureBook
from preview.studio.server import make_app
from preview.studio.state import Studio
from schemas.errors import ConfigError
from schemas.manifest import MANIFEST_FILE, SAMPLES_FILE
from schemas.text import one_line
from storage.tables import has_table

if TYPE_CHECKING:
    from preview.studio.search import Searcher

LOG = logging.getLogger(__name__)
DEFAULT_PORT = 7865
SAMPLES = Path(__file__).parents[1] / "assets" / "samples"
STOPPED = 130  # 128 + SIGINT, as shells report it


def studio(
    paths: Sequence[str] = (),
    *,
    port: int = DEFAULT_PORT,
    host: str = "127.0.0.1",
    index: str | None = None,
    open_browser: bool = False,
    ready: Callable[[str], None] | None = None,
) -> int:
    """Serve the page until Ctrl-C, and return 130. `paths` are pictures, folders of pictures, and outputs.

    Without pictures the page shows a few photographs that come with the package. `index` is a folder made by
    `zoetrope index`. The Search tab searches it and is hidden without one. `open_browser` shows the page in
    the user's browser. `ready` is called with the page's address once the server listens; by default the
    address is logged. There is no password: on another `host` than this machine, whoever reaches the port
    sees the pictures and outputs. Raises ConfigError (one line) for a path that is neither, and for a port
    that cannot be opened.
    """
    listener = _listen(host, port)
    with contextlib.closing(listener):
        outputs = [path for path in paths if _is_output(path)]
        pictures = [path for path in paths if path not in outputs]
        book = PictureBook(pictures or [str(SAMPLES)], samples=not pictures)
        shown = Studio(book, [OutputView(uri) for uri in outputs], _searcher(index), host)
        tell = [ready or _log_address]
        if open_browser:
            tell.append(_open_browser)
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(make_app(shown), listener, tell))
    return STOPPED


def _open_browser(address: str) -> None:
    """Show the page from a thread, because a browser in a terminal ends only when its user leaves it."""

    def show() -> None:
        try:
            shown = webbrowser.open(address)
        except (OSError, webbrowser.Error):
            shown = False
        if not shown:
            LOG.warning(f"no browser could be started; open {address}")

    Thread(target=show, name="browser", daemon=True).start()


def _log_address(address: str) -> None:
    LOG.warning(f"studio: {address}")  # a warning is shown also where logging is not set up


def _searcher(index: str | None) -> Searcher | None:
    if index is None:
        return None
    from preview.studio.search import IndexSearcher  # loads the trainer: for this alone

    return IndexSearcher(index)


def _listen(host: str, port: int) -> socket.socket:
    """Listen before anything slow starts, so that a port in use is reported at once."""
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
        hint = "check --host"
        if port:
            hint = "choose another with --port, or --port 0 for any"
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}; {hint}") from None
    return listener


def _is_output(path: str) -> bool:
    if path.endswith((".tar", ".parquet")):
        raise ConfigError(f"{path}: give the output folder that holds it, with its {SAMPLES_FILE}")
    try:
        if has_table(path, SAMPLES_FILE):
            return True
        if has_table(path, MANIFEST_FILE):
            raise ConfigError(
                f"{path}: has no {SAMPLES_FILE}; run `zoetrope animate` again to finish the job"
            )
    except (OSError, ValueError, ImportError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path}: cannot be read: {one_line(error)}") from None
    return False


async def _serve(
    app: web.Application, listener: socket.socket, tell: Sequence[Callable[[str], None]]
) -> None:
    quiet = logging.getLogger(f"{__name__}.http")  # it would log a traceback for bytes that are no HTTP
    quiet.setLevel(logging.CRITICAL)
    runner = web.AppRunner(app, access_log=None, logger=quiet)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        host, port = listener.getsockname()[:2]
        shown = host
        if ":" in host:  # IPv6
            shown = f"[{host}]"
        for call in tell:
            call(f"http://{shown}:{port}")
        if not _is_loopback(host):
            LOG.warning("anyone who can reach this address can see what it shows")
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback
