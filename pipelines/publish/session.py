"""The HTTP client of a push: bounded in time and bytes, and the token is for the hub's own address.

huggingface_hub waits without an end for an answer, reads one of any length, and sleeps as long as a server
asks. It also sends the token to whatever address a page of a listing names as the next one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import httpx2
from huggingface_hub import set_client_factory
from huggingface_hub.utils import _http, parse_ratelimit_headers

from schemas.text import human_bytes, one_line

SILENT_SECONDS = 120.0  # without a byte, in a connection that is open
ANSWER_SECONDS = 300.0  # of the body of one answer
MAX_ANSWER = 64 << 20  # bytes of it
LONGEST_WAIT = 900  # seconds that a server may ask for between two attempts
MOST_PAGES = 2000  # requests that ask for something; a page of a listing has 1,000 files


class RefusedAnswerError(Exception):
    """An answer or an address that a push does not accept. The message is one line."""


@contextmanager
def bounded_clients(endpoint: str) -> Iterator[None]:
    """Within the block huggingface_hub uses bounded clients. `endpoint` is the hub's address."""
    hub = httpx2.URL(endpoint)
    before = _http._GLOBAL_CLIENT_FACTORY  # the default, or that of a process with proxies of its own

    def client() -> httpx2.Client:
        made = before()
        hooks = _Hooks(hub)
        made.event_hooks = {
            "request": [*made.event_hooks["request"], hooks.check_request],
            "response": [*made.event_hooks["response"], hooks.check_response],
        }
        return made

    set_client_factory(client)
    try:
        yield
    finally:
        set_client_factory(before)


class _Hooks:
    """Called by a client before each request, and before it reads the body of each answer."""

    def __init__(self, hub: httpx2.URL) -> None:
        self._hub = hub
        self._lock = Lock()
        self._pages = 0

    def check_request(self, request: httpx2.Request) -> None:
        """Bound its waits. Raise RefusedAnswerError for a token to elsewhere, and for too many pages."""
        request.extensions["timeout"] = httpx2.Timeout(SILENT_SECONDS).as_dict()  # some calls ask for none
        if "authorization" in request.headers and not self._is_hub(request.url):
            raise RefusedAnswerError(
                f"the hub names {_shown(request.url)} as the next address; the token is for "
                f"{_shown(self._hub)} alone, so nothing was sent there"
            )
        with self._lock:
            self._pages += request.method == "GET"
        if self._pages > MOST_PAGES:
            raise RefusedAnswerError(f"its list of files has over {MOST_PAGES} pages; give another name")

    def check_response(self, response: httpx2.Response) -> None:
        """Raise RefusedAnswerError for a redirect to elsewhere and for a long wait, and bound the body."""
        target = response.headers.get("location")
        if response.has_redirect_location and target is not None and self._is_hub(response.url):
            other = response.url.join(target)
            if not self._is_hub(other):
                raise RefusedAnswerError(
                    f"the hub redirects to {_shown(other)}, which gets nothing; set HF_ENDPOINT to the "
                    "address of the hub that you mean"
                )
        wait = _asked_to_wait(response)
        if wait > LONGEST_WAIT:
            raise RefusedAnswerError(
                f"the hub asks to wait {wait} s ({response.status_code}); come back then"
            )
        response.stream = _Bounded(response.stream)

    def _is_hub(self, url: httpx2.URL) -> bool:
        if url.host != self._hub.host or url.port != self._hub.port:
            return False
        return url.scheme in (self._hub.scheme, "https")


class _Bounded(httpx2.SyncByteStream):
    """The body of an answer. Reading it raises RefusedAnswerError beyond the bounds."""

    def __init__(self, stream: httpx2.SyncByteStream | httpx2.AsyncByteStream) -> None:
        assert isinstance(stream, httpx2.SyncByteStream)  # noqa: S101 - the client is no async one
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        size, end = 0, time.monotonic() + ANSWER_SECONDS
        for chunk in self._stream:
            size += len(chunk)
            if size > MAX_ANSWER:
                raise RefusedAnswerError(f"an answer of the hub is longer than {human_bytes(MAX_ANSWER)}")
            if time.monotonic() > end:
                raise RefusedAnswerError(f"an answer of the hub took over {ANSWER_SECONDS:.0f} s")
            yield chunk

    def close(self) -> None:
        self._stream.close()


def _asked_to_wait(response: httpx2.Response) -> int:
    """Seconds until the next attempt, as a server that is busy asks for; 0 if it does not."""
    if response.status_code not in (429, 503):
        return 0
    asked = [0]
    after = response.headers.get("retry-after", "").strip()
    if after.isascii() and after.isdigit():
        asked.append(int(after[:10]))
    limit = parse_ratelimit_headers(response.headers)
    if limit is not None and limit.remaining == 0:
        asked.append(limit.reset_in_seconds)
    return max(asked)


def _shown(url: httpx2.URL) -> str:
    """Scheme, host and port."""
    return one_line(f"{url.scheme}://{url.netloc.decode(errors='replace')}", 200)
