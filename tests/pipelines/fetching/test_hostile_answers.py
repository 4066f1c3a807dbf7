"""Answers that no server should give: each is one outcome, within its time, and its text can be stored."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from pipelines.fetching.config import FetchConfig
from pipelines.fetching.fetcher import Fetcher
from schemas.records import Failure, Reference
from transforms.media.formats.sniff import sniff

BODY = b"\xff\xd8\xff" + b"x" * 100
OK = b"HTTP/1.1 200 OK\r\n"
SIZED = b"Content-Length: 103\r\n\r\n" + BODY
NOTHING = b"Content-Length: 0\r\n\r\n"
MOVED = b"HTTP/1.1 302 x\r\nLocation: "
ANSWERS: dict[str, tuple[bytes, str]] = {
    "length of 26 digits": (OK + b"Content-Length: " + b"9" * 26 + b"\r\n\r\n" + BODY, "http_error"),
    "length of 5,000 digits": (OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", "http_error"),
    "negative length": (OK + b"Content-Length: -5\r\n\r\n" + BODY, "http_error"),
    "two lengths": (OK + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\n" + BODY, "http_error"),
    "chunk of 2**80": (OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"F" * 20 + b"\r\n", "http_error"),
    "chunk with a long extension": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n5;" + b"a" * 100_000 + b"\r\nhello\r\n0\r\n\r\n",
        "not_an_image",
    ),
    "status 0": (b"HTTP/1.1 000 No\r\n" + NOTHING, "http_error"),
    "status 1000": (b"HTTP/1.1 1000 No\r\n" + NOTHING, "http_error"),
    "a thousand continues": (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000 + OK + SIZED, "fetched"),
    "no header at all": (BODY, "http_error"),
    "redirect to an open bracket": (MOVED + b"http://[\r\n" + NOTHING, "bad_url"),
    "redirect to bytes": (MOVED + b"http://\xff\xfe/\xff\r\n" + NOTHING, "bad_url"),
    "redirect to port 10**11": (MOVED + b"http://127.0.0.1:99999999999/\r\n" + NOTHING, "bad_url"),
    "redirect to a broken IDN": (MOVED + b"http://xn--" + b"9" * 70 + b".com/\r\n" + NOTHING, "bad_url"),
    "pause of 5,000 digits": (
        b"HTTP/1.1 503 x\r\nRetry-After: " + b"9" * 5000 + b"\r\n" + NOTHING,
        "http_503",
    ),
    "pause of 1e400": (b"HTTP/1.1 503 x\r\nRetry-After: 1e400\r\n" + NOTHING, "http_503"),
    "pause until the year 10**9": (
        b"HTTP/1.1 503 x\r\nRetry-After: Fri, 31 Dec 999999999 23:59:59 GMT\r\n" + NOTHING,
        "http_503",
    ),
    "gzip that is none": (OK + b"Content-Encoding: gzip\r\n" + SIZED, "corrupt"),
    "encoding of bytes": (OK + b"Content-Encoding: \xff\r\n" + SIZED, "fetched"),
    "40,000 headers": (OK + b"X: y\r\n" * 40_000 + SIZED, "http_error"),
    "robots of 3,500 rules": (OK + b"X-Robots-Tag: " + b"a," * 3500 + b"\r\n" + SIZED, "fetched"),
    "another protocol": (b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n" + BODY, "http_error"),
    "half a surrogate": (b"HTTP/1.1 404 \xed\xa0\x80\r\n" + NOTHING, "http_404"),
}


@pytest.fixture(scope="module")
def base():
    loop = asyncio.new_event_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1][1:]
        writer.write(list(ANSWERS.values())[int(number)][0])
        try:
            await writer.drain()
            await asyncio.sleep(0.05)
        except ConnectionError:
            pass
        writer.close()

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def test_every_answer_has_its_outcome(base):
    settings = {"allow_private": True, "deadline": 5, "retries": 0}
    began, found = time.monotonic(), {}
    for number, name in enumerate(ANSWERS):
        with Fetcher(FetchConfig.make(settings), check=sniff) as fetcher:
            ((_, result),) = fetcher.fetch_all([Reference("k", ("c",), "cc3m", url=f"{base}/{number}")])
        found[name] = str(result.reason) if isinstance(result, Failure) else "fetched"
        if isinstance(result, Failure):
            result.detail.encode()
    assert found == {name: outcome for name, (_, outcome) in ANSWERS.items()}
    assert time.monotonic() - began < 30
