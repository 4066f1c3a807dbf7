"""One picture from one URL: checked addresses, bounded redirects, retries, one deadline and a byte cap."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from itertools import count
from typing import Any, Protocol

import aiohttp
from yarl import URL

from pipelines.fetching.addresses import AddressPolicy, RefusedAddressError
from pipelines.fetching.config import FetchConfig
from pipelines.fetching.errors import PassingError, fetch_error, translated
from pipelines.fetching.hosts import HostPauses
from pipelines.fetching.resolver import MAX_NAMES, CheckedResolver, Lookup, system_lookup
from pipelines.fetching.response import check_status, opted_out, unpacked
from pipelines.fetching.urls import parse_url
from schemas.records import Reason
from transforms.media.formats.sniff import HEAD_BYTES

REDIRECTS = frozenset((301, 302, 303, 307, 308))
DNS_TTL = 300  # seconds that a resolved name is kept
MAX_BACKOFF = 8.0  # seconds


class Hold(Protocol):
    """The memory of one download."""

    async def take(self, size: int) -> None:
        """Take memory for that many further bytes, as soon as there is some."""

    def release(self) -> None:
        """Give back what this download has taken so far."""


class Unbounded:
    """As much memory as it takes."""

    async def take(self, size: int) -> None:
        """Take memory for that many further bytes."""

    def release(self) -> None:
        """Give it back."""


class Downloader:
    """Fetch single URLs with one aiohttp session. Make, use and close it in one event loop.

    `check` is called with the first bytes of a body, at least HEAD_BYTES of them if there are as many. It
    raises SampleError for a body that is not wanted, which ends the download.
    """

    def __init__(
        self,
        config: FetchConfig,
        lookup: Lookup = system_lookup,
        check: Callable[[bytes], object] | None = None,
    ) -> None:
        self._config = config
        self._check = check
        self._policy = AddressPolicy(config.allow_private, config.allowed_networks)
        self._pauses = HostPauses()
        connector = aiohttp.TCPConnector(
            limit=0,  # the caller counts
            resolver=CheckedResolver(self._policy, lookup, threads=min(256, config.concurrency)),
            ttl_dns_cache=DNS_TTL,
            dns_cache_max_size=MAX_NAMES,
            socket_factory=self._socket,
            ssl=ssl.create_default_context(),
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "User-Agent": config.user_agent,
                "Accept": "image/*,*/*;q=0.5",
                "Accept-Encoding": "identity",
            },
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=config.connect_timeout),
            auto_decompress=False,  # a small body may unpack to gigabytes: see response.unpacked
            trust_env=False,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def get(self, url: str, hold: Hold | None = None) -> bytes:
        """Fetch the body. Raises SampleError, with a reason per outcome, within `deadline` seconds.

        The time that `hold` waits for memory does not count. The caller of a body gives its memory back.
        """
        hold = hold or Unbounded()
        latest = ""
        try:
            async with asyncio.timeout(self._config.deadline) as limit:
                for attempt in count():
                    try:
                        return await self._follow(parse_url(url), _UntimedHold(hold, limit))
                    except PassingError as error:
                        hold.release()
                        latest = f"; before: {error.reason}: {error.detail}"
                        if error.retry_after is None:
                            pause = self._pause(attempt)
                        else:
                            pause = error.retry_after
                        remaining = (limit.when() or 0.0) - asyncio.get_running_loop().time()
                        if attempt >= self._config.retries or pause >= remaining:
                            raise
                    await asyncio.sleep(pause)
        except TimeoutError:
            hold.release()
            detail = f"over the deadline of {self._config.deadline:g} s{latest}"
            raise fetch_error(Reason.TIMEOUT, detail) from None
        except BaseException:
            hold.release()
            raise
        raise AssertionError("unreachable: the loop returns or raises")

    def _pause(self, attempt: int) -> float:
        """Exponential backoff with jitter, so that waiting pictures do not all return at once."""
        return min(MAX_BACKOFF, self._config.backoff * 2.0**attempt) * random.uniform(0.5, 1.5)

    async def _follow(self, url: URL, hold: Hold) -> bytes:
        """One attempt: the request and its redirects, each checked like the first."""
        for _ in range(self._config.max_redirects + 1):
            self._check_literal(url)
            self._check_pause(url)
            try:
                async with self._session.get(url, allow_redirects=False) as response:
                    target = response.headers.get("Location")
                    if response.status not in REDIRECTS or not target:
                        return await self._body(response, hold)
                    url = parse_url(target, base=url)
            except PassingError as error:
                if error.retry_after:
                    self._pauses.ask(url.authority, error.retry_after)
                raise
            except (
                aiohttp.ClientError,
                OSError,
                ValueError,
            ) as error:  # TimeoutError and SSLError are OSErrors
                raise translated(error) from error
        raise fetch_error(
            Reason.TOO_MANY_REDIRECTS, f"more than {self._config.max_redirects}; the last to {url}"
        )

    async def _body(self, response: aiohttp.ClientResponse, hold: Hold) -> bytes:
        check_status(response)
        if self._config.respect_opt_out:
            rule = opted_out(response.headers, self._config.user_agent)
            if rule is not None:
                raise fetch_error(Reason.OPTED_OUT, f"X-Robots-Tag: {rule}")
        cap = self._config.max_bytes
        if (response.content_length or 0) > cap:
            raise fetch_error(Reason.TOO_LARGE, f"Content-Length {response.content_length}, over {cap} bytes")
        encoding = response.headers.get("Content-Encoding", "")
        received = await self._received(response, hold, checked=not encoding)
        data = unpacked(received, encoding, cap)
        if not data:
            raise fetch_error(Reason.EMPTY_BODY, f"status {response.status} without a body")
        if encoding:
            await hold.take(max(0, len(data) - len(received)))
            self._check_head(data[:HEAD_BYTES])
        return data

    async def _received(self, response: aiohttp.ClientResponse, hold: Hold, *, checked: bool) -> bytes:
        """The body as it was sent, refused by its first bytes where these are the picture's own."""
        parts: list[bytes] = []
        size, is_open = 0, checked
        async for part in response.content.iter_any():
            size += len(part)
            if size > self._config.max_bytes:
                raise fetch_error(Reason.TOO_LARGE, f"over {self._config.max_bytes} bytes")
            await hold.take(len(part))
            parts.append(part)
            if is_open and size >= HEAD_BYTES:
                self._check_head(b"".join(parts)[:HEAD_BYTES])
                is_open = False
        if is_open and size:
            self._check_head(b"".join(parts))
        return b"".join(parts)

    def _check_head(self, head: bytes) -> None:
        if self._check is not None:
            self._check(head)

    def _check_pause(self, url: URL) -> None:
        """A host that asked for a pause is not asked before its end."""
        left = self._pauses.left(url.authority)
        if left > 0:
            detail = f"{url.authority} asked for a pause (Retry-After), of which {left:.0f} s are left"
            raise PassingError(Reason.HTTP_429, detail, left)

    def _check_literal(self, url: URL) -> None:
        """Check an address that is written in place of a name: it never reaches the resolver."""
        host = url.host or ""
        try:
            ip_address(host)
        except ValueError:
            return
        why = self._policy.refusal(host)
        if why:
            raise fetch_error(Reason.REFUSED_ADDRESS, why)

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        """The last check before any connection is made."""
        family, kind, protocol, _, address = info
        why = self._policy.refusal(str(address[0]))
        if why:
            raise RefusedAddressError(why)
        return socket.socket(family=family, type=kind, proto=protocol)


class _UntimedHold:
    """A hold whose waiting does not count against the deadline."""

    def __init__(self, hold: Hold, limit: asyncio.Timeout) -> None:
        self._hold, self._limit = hold, limit

    async def take(self, size: int) -> None:
        now = asyncio.get_running_loop().time
        end, began = self._limit.when(), now()
        self._limit.reschedule(None)
        try:
            await self._hold.take(size)
        finally:
            if end is not None:
                end += now() - began
            self._limit.reschedule(end)

    def release(self) -> None:
        self._hold.release()
