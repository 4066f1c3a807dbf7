"""Checks on a response: its status, Retry-After, opt-out headers and Content-Encoding."""

from __future__ import annotations

import time
import zlib
from email.utils import parsedate_to_datetime

import aiohttp
from multidict import CIMultiDictProxy

from pipelines.fetching.errors import PassingError, fetch_error
from schemas.records import Reason

OPT_OUT = frozenset(("noai", "noimageai", "noindex", "noimageindex"))
VALUED_RULES = frozenset(  # rules written "rule: value", which look like "agent: rule"
    ("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview")
)
MAX_PAUSE = 24 * 3600.0  # seconds; a Retry-After beyond it counts as this


def check_status(response: aiohttp.ClientResponse) -> None:
    """Raises SampleError for every status but 200; PassingError for one that another attempt may avoid."""
    status = response.status
    if status == 200:
        return
    if status in (204, 205):
        raise fetch_error(Reason.EMPTY_BODY, f"status {status}")
    reason = Reason.__members__.get(f"HTTP_{status}", Reason.HTTP_ERROR)
    detail = f"status {status} {response.reason or ''}"
    if status == 429 or status >= 500:
        raise PassingError(reason, detail, retry_after(response.headers.get("Retry-After")))
    raise fetch_error(reason, detail)


def retry_after(value: str | None) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110, 10.2.3): a number of seconds, or a date.

    None if the header is missing or cannot be read. At most MAX_PAUSE.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdecimal():
        return min(MAX_PAUSE, float(text))
    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError, OSError):  # years that no clock can hold
        return None
    return min(MAX_PAUSE, max(0.0, seconds))


def opted_out(headers: CIMultiDictProxy[str], user_agent: str) -> str | None:
    """The value of an X-Robots-Tag header that forbids the use of the picture; None if none does.

    Both forms count: ``noai, noindex`` (for every agent) and ``agent: noai`` (for that agent alone).
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


def unpacked(body: bytes, encoding: str, cap: int) -> bytes:
    """Undo a Content-Encoding that was not asked for, never past `cap` bytes.

    Encodings other than gzip and deflate are left as they are; the picture decoder refuses them.
    """
    if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return body
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: gzip or zlib, by its header
    try:
        data = unpacker.decompress(body, cap + 1)
    except zlib.error as error:
        raise fetch_error(Reason.CORRUPT, f"Content-Encoding {encoding}: {error}") from None
    if len(data) > cap:
        raise fetch_error(Reason.TOO_LARGE, f"over {cap} bytes when decompressed")
    if not unpacker.eof:
        raise fetch_error(Reason.TRUNCATED, f"Content-Encoding {encoding}: ends early")
    return data
