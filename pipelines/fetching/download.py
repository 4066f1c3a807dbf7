"""One picture from one URL: checked addresses, bounded redirects, retries, a deadline over everything and a byte cap."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from itertools import count
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDictProxy
from yarl import URL

from pipelines.fetching.addresses import AddressPolicy, RefusedAddressError
from pipelines.fetching.config import FetchConfig
from schemas.records import Reason, SampleError, Stage

REDIRECTS = frozenset((301, 302, 303, 307, 308))
OPT_OUT = frozenset(("noai", "noimageai", "noindex", "noimageindex"))
VALUED_RULES = frozenset(
    ("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview")
)  # "rule: value"
URL_CHARACTERS = re.compile(
    r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+"
)  # RFC 3986: such a URL is sent as it stands
HOST = re.compile(r"[A-Za-z0-9_:](?:[A-Za-z0-9._:%-]*)")  # names and addresses, after IDNA
MAX_URL = 8000  # characters; servers refuse longer request lines
DNS_TTL, DNS_FAILURE_TTL, DNS_CACHE = 300, 30, 10_000  # seconds, seconds, names
MAX_BACKOFF = 8.0  # seconds

Lookup = Callable[[str], Sequence[str]]  # host name -> addresses as text; raises socket.gaierror


class PassingError(SampleError):
    """A failure that another attempt may not meet."""

    def __init__(self, reason: Reason, detail: str = "", retry_after: float | None = None) -> None:
        super().__init__(Stage.FETCH, reason, detail)
        self.retry_after = retry_after  # seconds that the server asked for


def system_lookup(host: str) -> list[str]:
    """Addresses of a host name from the system's resolver, in its order of preference."""
    infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


class CheckedResolver(AbstractResolver):
    """Resolves a name once and gives only allowed addresses, so that what was checked is what is connected to."""

    def __init__(self, policy: AddressPolicy, lookup: Lookup, threads: int) -> None:
        self._policy, self._lookup = policy, lookup
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="dns")  # system lookups block
        self._failed: dict[str, tuple[float, OSError]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """aiohttp's interface. Raises OSError: RefusedAddressError, or the resolver's socket.gaierror."""
        until, error = self._failed.get(host, (0.0, OSError()))
        if time.monotonic() < until:
            raise error
        try:
            addresses = await asyncio.get_running_loop().run_in_executor(self._pool, self._lookup, host)
            allowed = self._policy.check(addresses)
        except OSError as failure:
            if len(self._failed) >= DNS_CACHE:
                self._failed.clear()
            if not _may_pass(failure):
                self._failed[host] = (time.monotonic() + DNS_FAILURE_TTL, failure)
            raise
        return [_result(host, address, port) for address in allowed]

    async def close(self) -> None:
        """Let go of the threads without waiting for lookups that hang."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Downloader:
    """Fetches single URLs with one aiohttp session. Lives in one event loop: make it, use it and close it there."""

    def __init__(self, config: FetchConfig, lookup: Lookup = system_lookup) -> None:
        self._config = config
        self._policy = AddressPolicy(config.allow_private, config.allowed_networks)
        connector = aiohttp.TCPConnector(
            limit=0,  # the caller counts
            resolver=CheckedResolver(self._policy, lookup, threads=min(256, config.concurrency)),
            ttl_dns_cache=DNS_TTL,
            dns_cache_max_size=DNS_CACHE,
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
            auto_decompress=False,  # a small body may unpack to gigabytes: see _unpack
            trust_env=False,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def get(self, url: str) -> bytes:
        """The body. Raises SampleError with a reason of its own for each outcome, within `deadline` seconds in all."""
        latest = ""
        try:
            async with asyncio.timeout(self._config.deadline) as limit:
                for attempt in count():
                    try:
                        return await self._follow(parse_url(url))
                    except PassingError as error:
                        latest = f"; before: {error.reason}: {error.detail}"
                        pause = error.retry_after if error.retry_after is not None else self._pause(attempt)
                        remaining = (limit.when() or 0.0) - asyncio.get_running_loop().time()
                        if attempt >= self._config.retries or pause >= remaining:
                            raise
                    await asyncio.sleep(pause)
        except TimeoutError:
            detail = f"over the deadline of {self._config.deadline:g} s{latest}"
            raise SampleError(Stage.FETCH, Reason.TIMEOUT, detail) from None
        raise AssertionError("the loop above never ends by itself")

    def _pause(self, attempt: int) -> float:
        """Exponential backoff, spread so that many waiting pictures do not come back at once."""
        return min(MAX_BACKOFF, self._config.backoff * 2.0**attempt) * random.uniform(0.5, 1.5)

    async def _follow(self, url: URL) -> bytes:
        """One attempt: the request and its redirects, each checked like the first."""
        for _ in range(self._config.max_redirects + 1):
            self._check_literal(url)
            try:
                async with self._session.get(url, allow_redirects=False) as response:
                    target = response.headers.get("Location")
                    if response.status not in REDIRECTS or not target:
                        return await self._body(response)
                    url = parse_url(target, base=url)
            except (
                aiohttp.ClientError,
                OSError,
                ValueError,
            ) as error:  # TimeoutError and SSLError are OSErrors
                raise _translated(error) from error
        raise _failure(
            Reason.TOO_MANY_REDIRECTS, f"more than {self._config.max_redirects}; the last to {url}"
        )

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        _check_status(response)
        if self._config.respect_opt_out and (rule := opted_out(response.headers, self._config.user_agent)):
            raise _failure(Reason.OPTED_OUT, f"X-Robots-Tag: {rule}")
        cap = self._config.max_bytes
        if (response.content_length or 0) > cap:
            raise _failure(Reason.TOO_LARGE, f"Content-Length {response.content_length}, over {cap} bytes")
        parts, size = [], 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > cap:
                raise _failure(Reason.TOO_LARGE, f"over {cap} bytes")
            parts.append(part)
        data = _unpack(b"".join(parts), response.headers.get("Content-Encoding", ""), cap)
        if not data:
            raise _failure(Reason.EMPTY_BODY, f"status {response.status} without a body")
        return data

    def _check_literal(self, url: URL) -> None:
        """An address in place of a name never meets the resolver."""
        host = url.host or ""
        try:
            ip_address(host)
        except ValueError:
            return
        if why := self._policy.refusal(host):
            raise _failure(Reason.REFUSED_ADDRESS, f"{why}; fetch.allow_private=true would allow it")

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        """The last look before a connection is made, whatever led to it."""
        family, kind, protocol, _, address = info
        if why := self._policy.refusal(str(address[0])):
            raise RefusedAddressError(why)
        return socket.socket(family=family, type=kind, proto=protocol)


def parse_url(text: str, base: URL | None = None) -> URL:
    """A URL that can be fetched. Raises SampleError: bad_url, unsupported_scheme."""
    text = text.strip()
    if not text or len(text) > MAX_URL or not text.isprintable():
        raise _failure(Reason.BAD_URL, f"{len(text)} characters, or control characters: {text[:100]!r}")
    try:
        url = URL(text, encoded=URL_CHARACTERS.fullmatch(text) is not None)
        url = base.join(url) if base is not None and not url.scheme else url
        if url.scheme not in ("http", "https"):
            reason = Reason.UNSUPPORTED_SCHEME if url.scheme else Reason.BAD_URL
            raise _failure(reason, f"{text[:200]!r}: only http:// and https:// are fetched")
        if not url.host or not HOST.fullmatch(url.raw_host or ""):
            raise ValueError("no host, or not the name of one")
    except ValueError as error:
        raise _failure(Reason.BAD_URL, f"{text[:200]!r}: {error}") from None
    return url


def opted_out(headers: CIMultiDictProxy[str], user_agent: str) -> str | None:
    """The rule of an X-Robots-Tag header that forbids the use, None if there is none.

    Both forms: ``noai, noindex`` (for all) and ``agent: noai`` (for that agent alone).
    """
    for value in headers.getall("X-Robots-Tag", []):
        agent, colon, rules = value.partition(":")
        if not colon or "," in agent or agent.strip().lower() in VALUED_RULES:
            rules = value
        elif agent.strip().lower() not in user_agent.lower():
            continue
        for rule in rules.split(","):
            if rule.strip().lower() in OPT_OUT:
                return value.strip()
    return None


def _check_status(response: aiohttp.ClientResponse) -> None:
    status = response.status
    if status in (204, 205):
        raise _failure(Reason.EMPTY_BODY, f"status {status}")
    if status == 200:
        return
    reason = Reason.__members__.get(f"HTTP_{status}", Reason.HTTP_ERROR)
    detail = f"status {status} {response.reason or ''}"
    if status == 429 or status >= 500:
        raise PassingError(reason, detail, _retry_after(response.headers.get("Retry-After")))
    raise _failure(reason, detail)


def _retry_after(value: str | None) -> float | None:
    """Seconds to wait by a Retry-After header (seconds or a date, RFC 9110 10.2.3), None if it says nothing usable."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _unpack(body: bytes, encoding: str, cap: int) -> bytes:
    """Undo a Content-Encoding that we did not ask for, never past `cap` bytes. Others are left to the decoder to refuse."""
    if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return body
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # gzip or zlib, by its header
    try:
        data = unpacker.decompress(body, cap + 1)
    except zlib.error as error:
        raise _failure(Reason.CORRUPT, f"Content-Encoding {encoding}: {error}") from None
    if len(data) > cap:
        raise _failure(Reason.TOO_LARGE, f"over {cap} bytes when decompressed")
    if not unpacker.eof:
        raise _failure(Reason.TRUNCATED, f"Content-Encoding {encoding}: ends early")
    return data


def _translated(error: Exception) -> SampleError:
    """The reason behind what the HTTP client raised."""
    cause = getattr(error, "os_error", error)
    text = str(cause) or type(cause).__name__
    if isinstance(cause, RefusedAddressError):
        return _failure(Reason.REFUSED_ADDRESS, f"{text}; fetch.allow_private=true would allow it")
    if isinstance(error, TimeoutError):
        return PassingError(Reason.TIMEOUT, text)
    if isinstance(cause, socket.gaierror):
        return PassingError(Reason.DNS_ERROR, text) if _may_pass(cause) else _failure(Reason.DNS_ERROR, text)
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError) or isinstance(cause, ssl.SSLError):
        return _failure(Reason.TLS_ERROR, text)
    if isinstance(error, aiohttp.ClientPayloadError):
        return PassingError(Reason.TRUNCATED, text)
    if isinstance(error, aiohttp.ClientResponseError):
        return _failure(Reason.HTTP_ERROR, f"not understood: {error.message}")
    if isinstance(cause, ConnectionResetError | aiohttp.ServerDisconnectedError):
        return PassingError(Reason.CONNECTION_ERROR, text)
    if isinstance(error, ValueError):  # aiohttp.InvalidURL is one
        return _failure(Reason.BAD_URL, text)
    return _failure(Reason.CONNECTION_ERROR, text)


def _may_pass(error: OSError) -> bool:
    return isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN


def _failure(reason: Reason, detail: str) -> SampleError:
    return SampleError(Stage.FETCH, reason, detail)


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=flags)
