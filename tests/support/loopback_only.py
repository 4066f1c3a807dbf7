"""A guard for tests: a connection to any address but loopback fails the test, in this process and its children.

In this process `socket.connect` and name lookups are watched. Children are given a proxy for all other hosts: a
server on loopback that notes who asks, and refuses.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


class Trap:
    """The server that stands for every other host."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self.asked.append(connection.recv(4096).decode("latin-1").splitlines()[0])
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trap]:
    """Fail the test at its end if anything asked for another host; in this process at once."""
    trap = Trap()
    for name in PROXIES:
        monkeypatch.setenv(name, trap.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")
    connect, lookup = socket.socket.connect, socket.getaddrinfo

    def checked(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:  # type: ignore[index]
            trap.asked.append(str(address))
            raise AssertionError(f"a connection to {address}")
        connect(self, address)  # type: ignore[arg-type]

    def looked_up(host: object, *rest: object, **named: object) -> object:
        if host not in (*LOOPBACK, None, ""):
            trap.asked.append(str(host))
            raise AssertionError(f"a look-up of {host}")
        return lookup(host, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", checked)
    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    yield trap
    trap.close()
    assert trap.asked == []
