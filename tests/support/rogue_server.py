"""A web server on loopback that behaves as badly as the web does. Every path is one behaviour."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from collections import Counter

PICTURE = b"\xff\xd8\xff not a real picture, but bytes \xff\xd9"


class RogueServer:
    """Raw asyncio, since a proper HTTP server would not send what these tests need."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.heads: list[str] = []
        self.open = self.most_open = 0
        self.left = 0  # clients that left in the middle of an answer
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.05))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first = await reader.readexactly(1)
            if first == b"\x16":  # a TLS greeting, to which this server answers in plain text
                return reply(writer, b"no TLS here")
            head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            path = head.split(" ")[1]
            self.requests[path] += 1
            self.heads.append(head)
            self.open += 1
            self.most_open = max(self.most_open, self.open)
            try:
                await self._answer(path, writer)
            finally:
                self.open -= 1
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        base, _, query = path.partition("?")
        name = base.removeprefix("/").replace("-", "_")
        if base.startswith("/status/"):
            status = base.removeprefix("/status/")
            reply(writer, b"" if status in ("204", "304") else b"sorry", status=f"{status} Whatever")
        elif base.startswith("/numbered/"):
            await asyncio.sleep(0.02 if base.endswith("0") else 0.0)
            reply(writer, base.encode())
        elif base == "/to":
            reply(writer, b"", status="302 Found", Location=query)
        elif base == "/robots":
            reply(writer, PICTURE, **{"X-Robots-Tag": query.replace("_", " ")})
        elif base == "/bytes":
            reply(writer, bytes(int(query)))
        else:
            await getattr(self, f"_{name}")(writer, self.requests[path])

    async def _picture(self, writer: asyncio.StreamWriter, times: int) -> None:
        reply(writer, PICTURE)

    async def _html(self, writer: asyncio.StreamWriter, times: int) -> None:
        reply(writer, b"<html>", **{"Content-Type": "image/jpeg"})

    async def _empty(self, writer: asyncio.StreamWriter, times: int) -> None:
        reply(writer, b"")

    async def _slow_headers(self, writer: asyncio.StreamWriter, times: int) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 10_000:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)

    async def _drip(self, writer: asyncio.StreamWriter, times: int) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.05)

    async def _gigabyte(self, writer: asyncio.StreamWriter, times: int) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for _ in range(1024):
            writer.write(bytes(1 << 20))
            await writer.drain()

    async def _endless(self, writer: asyncio.StreamWriter, times: int) -> None:
        """An answer that is no picture, and that comes to an end only when the client leaves."""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 19000000\r\n\r\n" + b"<html>" * 1000)
        try:
            while True:
                writer.write(b".")
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            self.left += 1

    async def _halves(self, writer: asyncio.StreamWriter, times: int) -> None:
        """A body of 200 kB in two pieces, the second one a little later."""
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\nConnection: close\r\n\r\n" + bytes(100_000)
        )
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(bytes(100_000))

    async def _says_gigabyte(self, writer: asyncio.StreamWriter, times: int) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        await asyncio.sleep(5)

    async def _busy(self, writer: asyncio.StreamWriter, times: int) -> None:
        if times == 1:
            reply(writer, b"", status="429 Too Many Requests", **{"Retry-After": "1"})
        else:
            reply(writer, PICTURE)

    async def _busy_for_hours(self, writer: asyncio.StreamWriter, times: int) -> None:
        reply(writer, b"", status="429 Too Many Requests", **{"Retry-After": "7200"})

    async def _second_time(self, writer: asyncio.StreamWriter, times: int) -> None:
        if times == 1:
            reply(writer, b"", status="503 Service Unavailable")
        else:
            reply(writer, PICTURE)

    async def _reset_once(self, writer: asyncio.StreamWriter, times: int) -> None:
        if times == 1:
            writer.transport.abort()
        else:
            reply(writer, PICTURE)

    async def _cut(self, writer: asyncio.StreamWriter, times: int) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")

    async def _huge_headers(self, writer: asyncio.StreamWriter, times: int) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Huge: " + b"a" * 1_000_000 + b"\r\n\r\n")

    async def _not_http(self, writer: asyncio.StreamWriter, times: int) -> None:
        writer.write(b"220 smtp.example.org ESMTP\r\n\r\n")

    async def _gzip_bomb(self, writer: asyncio.StreamWriter, times: int) -> None:
        reply(writer, gzip.compress(bytes(50_000_000)), **{"Content-Encoding": "gzip"})

    async def _gzipped(self, writer: asyncio.StreamWriter, times: int) -> None:
        reply(writer, gzip.compress(PICTURE), **{"Content-Encoding": "gzip"})

    async def _cookie(self, writer: asyncio.StreamWriter, times: int) -> None:
        reply(writer, PICTURE, **{"Set-Cookie": f"id={time.time_ns()}; Path=/"})


def reply(writer: asyncio.StreamWriter, body: bytes, status: str = "200 OK", **headers: str) -> None:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
