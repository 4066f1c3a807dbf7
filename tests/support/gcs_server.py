"""A GCS server on loopback (fake-gcs-server), behind a proxy that can misbehave, with an account to log in
by.

The clients under test are the real ones: Beam's GcsIO and gcsfs, pointed here by ``STORAGE_EMULATOR_HOST``
and logged in as an account made for the tests.
"""

from __future__ import annotations

import email
import http.client
import http.server
import json
import re
import socket
import struct
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clusters.pools import free_port

SERVER = Path(__file__).parents[2] / ".cache" / "engines" / "fake-gcs-server"
ACCOUNT = {  # logged in for good, so that nobody is asked
    "type": "authorized_user",
    "client_id": "tests",
    "client_secret": "none",
    "refresh_token": "none",
    "token": "none",
    "expiry": "2999-01-01T00:00:00Z",
}
HOP = {
    "connection",
    "transfer-encoding",
    "content-length",
    "keep-alive",
}  # headers of one connection, not of the message


@dataclass
class Fault:
    """What goes wrong with the next `times` requests that match, after the first `skip` of them.

    kind: ``503``; ``403`` (refused for good); ``reset`` (the connection breaks in mid-upload); ``lost``
    (done, but the answer is lost); ``cut`` (the answer breaks off in the middle); ``slow`` (the answer
    dribbles); ``stale`` (the answer given first is given again).
    """

    kind: str
    method: str = "GET|POST|PUT|DELETE"
    path: str = ""  # a regex, found anywhere in path and query
    times: int = 1
    skip: int = 0
    hits: int = 0
    kept: dict[str, tuple[int, list[tuple[str, str]], bytes]] = field(default_factory=dict)

    def strikes(self, method: str, path: str) -> bool:
        if not re.fullmatch(self.method, method) or not re.search(self.path, path):
            return False
        self.skip -= 1
        if self.skip >= 0 or self.hits >= self.times:
            return False
        self.hits += 1
        return True


class Proxy(http.server.ThreadingHTTPServer):
    """Forwards everything to the server, faults apart."""

    daemon_threads = True

    def __init__(self, backend: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.backend = backend
        self.faults: list[Fault] = []
        self.log: list[tuple[str, str]] = []
        self.connections = self.sent = 0
        self.lock = threading.Lock()
        self.moving = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that were cut off

    def fault(self, method: str, path: str) -> Fault | None:
        with self.lock:
            self.log.append((method, path))
            return next((fault for fault in self.faults if fault.strikes(method, path)), None)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the client's delayed acknowledgement
    server: Proxy

    def log_message(self, *args: object) -> None:
        pass

    def _serve(self) -> None:
        if self.path.startswith("/batch/"):
            self._batch(self._body(b""))
            return
        head = self._head()
        fault = self.server.fault(self.command, urllib.parse.unquote(self.path) + _name_in(head))
        kind = fault.kind if fault else ""
        if kind == "reset":
            self._break()
            return
        body = self._body(head)
        if kind in ("503", "403"):
            told = {"error": {"code": int(kind), "message": "the test refuses"}}
            self._reply(int(kind), [("content-type", "application/json")], json.dumps(told).encode())
            return
        answer = self._answer(body)
        if fault and kind == "stale":
            answer = fault.kept.setdefault(self.path, answer)
        if kind == "lost":
            self._break()
        else:
            self._reply(*answer, kind=kind)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _serve

    def _head(self) -> bytes:
        """The beginning of the body: an upload in one request names its object there."""
        return self.rfile.read(min(1024, int(self.headers.get("content-length", 0))))

    def _body(self, head: bytes) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return head + self.rfile.read(int(self.headers.get("content-length", 0)) - len(head))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _batch(self, body: bytes) -> None:
        """Each part by itself, as GCS does; the server behind knows only batches whose parts bear a
        Content-ID.
        """
        message = email.message_from_bytes(
            b"Content-Type: " + self.headers["content-type"].encode() + b"\r\n\r\n" + body
        )
        parts = []
        for part in message.get_payload():
            head, _, content = part.get_payload().replace("\r\n", "\n").partition("\n\n")
            method, url, _ = head.partition("\n")[0].split(" ")
            path = url.removeprefix(f"http://{self.headers['host']}")
            fault = self.server.fault(method, urllib.parse.unquote(path))
            status, data = 503, b"{}"
            if fault is None or fault.kind != "503":
                self.headers.replace_header("content-type", "application/json")
                status, _, data = self._forward(method, path, content.encode())
            lines = f"Content-Type: application/http\r\n\r\nHTTP/1.1 {status} Told\r\nContent-Type: application/json\r\n\r\n"
            parts.append(b"--part\r\n" + lines.encode() + data + b"\r\n")
        self._reply(
            200, [("content-type", "multipart/mixed; boundary=part")], b"".join(parts) + b"--part--\r\n"
        )

    def _answer(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        if "/moveTo/o/" in self.path:
            return self._move()
        return self._forward(self.command, self.path, body)

    def _move(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """Rename an object in one step, as GCS does. The server behind only knows copies."""
        source, _, target = self.path.partition("/moveTo/o/")
        bucket = source.partition("/b/")[2].partition("/")[0]
        with self.server.moving:
            status, headers, body = self._forward("POST", f"{source}/rewriteTo/b/{bucket}/o/{target}", b"{}")
            if status == 200:
                self._forward("DELETE", source, b"")
                body = json.dumps(json.loads(body)["resource"]).encode()
        return status, headers, body

    def _forward(self, method: str, path: str, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.backend, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        answer = (
            response.status,
            [h for h in response.getheaders() if h[0].lower() not in HOP],
            response.read(),
        )
        connection.close()
        return answer

    def _reply(self, status: int, headers: list[tuple[str, str]], body: bytes, kind: str = "") -> None:
        self.server.sent += len(body)
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if kind == "cut":
            self.wfile.write(body[: len(body) // 2])
            self._break()
        elif kind == "slow":
            step = max(1, len(body) // 10)
            for at in range(0, len(body), step):
                self.wfile.write(body[at : at + step])
                self.wfile.flush()
                time.sleep(0.05)
        else:
            self.wfile.write(body)

    def _break(self) -> None:
        """Close with a reset, as a machine that went away."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


def _name_in(head: bytes) -> str:
    """``&name=...`` for a body that is an object with its name before it, '' for others."""
    found = re.search(rb'\r?\n\r?\n\{"name": "([^"]*)"', head)
    return f"&name={found[1].decode()}" if found else ""


@dataclass(frozen=True)
class Gcs:
    """A running server."""

    proxy: Proxy
    env: dict[str, str]  # what a client needs in its environment

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """gs:// URI -> content, past the proxy's faults."""
        found = {}
        for name in self.names(prefix):
            path = f"/storage/v1/b/corpus/o/{urllib.parse.quote(name, safe='')}?alt=media"
            found[f"gs://corpus/{name}"] = self._get(path)
        return found

    def put(self, name: str, data: bytes) -> str:
        """Store an object; its URI."""
        path = f"/upload/storage/v1/b/corpus/o?uploadType=media&name={urllib.parse.quote(name, safe='')}"
        self._get(path, "POST", data)
        return f"gs://corpus/{name}"

    def put_folder(self, folder: Path, prefix: str) -> str:
        """Store every file of a folder; the URI of the prefix."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{prefix}/{path.relative_to(folder)}", path.read_bytes())
        return f"gs://corpus/{prefix}"

    @contextmanager
    def faults(self, *faults: Fault) -> Iterator[None]:
        """Misbehave for the time of a block; every fault must have struck in it."""
        self.proxy.faults = list(faults)
        try:
            yield
        finally:
            self.proxy.faults = []
        for fault in faults:
            assert fault.hits, f"no request met the fault {fault}"

    def names(self, prefix: str) -> list[str]:
        path = f"/storage/v1/b/corpus/o?prefix={urllib.parse.quote(prefix)}"
        return [item["name"] for item in json.loads(self._get(path)).get("items", [])]

    def _get(self, path: str, method: str = "GET", body: bytes | None = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.proxy.backend, timeout=60)
        connection.request(
            method, path, body, {"content-type": "application/json"} if path.endswith("/b") else {}
        )
        response = connection.getresponse()
        data = response.read()
        connection.close()
        assert response.status < 300, f"{method} {path}: {response.status} {data[:200]!r}"
        return data


@contextmanager
def run_gcs(folder: Path) -> Iterator[Gcs]:
    """Start server and proxy on free ports of loopback, with a bucket `corpus`; stop both."""
    port = free_port()
    proxy = Proxy(port)
    address = f"127.0.0.1:{proxy.server_address[1]}"
    command = [
        str(SERVER),
        "-backend",
        "memory",
        "-scheme",
        "http",
        "-host",
        "127.0.0.1",
        "-port",
        str(port),
        "-log-level",
    ]
    command += ["error", "-public-host", address, "-external-url", f"http://{address}"]
    with (folder / "gcs.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        _wait(port, server)
        account = folder / "account.json"
        account.write_text(json.dumps(ACCOUNT))
        env = {
            "STORAGE_EMULATOR_HOST": f"http://{address}",
            "GOOGLE_APPLICATION_CREDENTIALS": str(account),
            "GOOGLE_CLOUD_PROJECT": "tests",
            "NO_GCE_CHECK": "true",
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # else gcsfs asks by gRPC, which is not spoken here
        }
        gcs = Gcs(proxy, env)
        gcs._get("/storage/v1/b", "POST", b'{"name":"corpus"}')
        yield gcs
    finally:
        proxy.shutdown()
        proxy.server_close()
        server.terminate()
        server.wait(60)


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert server.poll() is None, "fake-gcs-server ended at its start"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError("fake-gcs-server does not answer")
