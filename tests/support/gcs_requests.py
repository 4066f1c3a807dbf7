"""Count what the clients ask of the GCS server: requests by kind, and connections."""

from __future__ import annotations

import re
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gcs_server import Proxy


@dataclass
class Asked:
    """The requests of a block, filled when it ends."""

    log: list[tuple[str, str]] = field(default_factory=list)  # method, path with its query
    connections: int = 0
    sent: int = 0  # bytes of the store's answers

    @property
    def requests(self) -> int:
        """All of them. The pieces of a large upload count apart, as do the pages of a listing."""
        return len(self.log)

    @property
    def kinds(self) -> dict[str, int]:
        """Kind -> requests."""
        return dict(sorted(Counter(kind_of(*entry) for entry in self.log).items()))

    def until(self, pattern: str) -> Asked:
        """The requests before the first one whose path has this regex in it."""
        paths = [urllib.parse.unquote(path) for _, path in self.log]
        stop = next(at for at, path in enumerate(paths) if re.search(pattern, path))
        return Asked(self.log[:stop])

    def reads(self, pattern: str) -> int:
        """How many contents of objects were read whose name has this regex in it."""
        return sum(
            kind_of(method, path) == "read" and bool(re.search(pattern, urllib.parse.unquote(path)))
            for method, path in self.log
        )

    def listings(self) -> list[tuple[str, str]]:
        """The folder and the page of every listing request; '' is a first page."""
        found = []
        for method, path in self.log:
            if kind_of(method, path) == "list":
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
                found.append((query.get("prefix", [""])[0], query.get("pageToken", [""])[0]))
        return found


def kind_of(method: str, path: str) -> str:
    """What a request of the JSON API does."""
    address = urllib.parse.urlsplit(path)
    query = urllib.parse.parse_qs(address.query)
    if "/upload/" in address.path or "upload_id" in query:
        return "upload piece" if method == "PUT" else "upload"
    if method == "POST" and "/moveTo/" in address.path:
        return "move"
    if method == "DELETE":
        return "delete"
    if method == "GET" and address.path.endswith("/o"):
        return "list"
    if method == "GET" and query.get("alt") == ["media"]:
        return "read"
    return "look" if method == "GET" else f"{method} {address.path}"


@contextmanager
def counted(proxy: Proxy) -> Iterator[Asked]:
    """Count the requests and connections of a block."""
    asked = Asked()
    requests, connections, sent = len(proxy.log), proxy.connections, proxy.sent
    yield asked
    asked.log, asked.connections = proxy.log[requests:], proxy.connections - connections
    asked.sent = proxy.sent - sent
