"""Parse URLs, and refuse those that cannot be fetched."""

from __future__ import annotations

import re

from yarl import URL

from pipelines.fetching.errors import fetch_error
from schemas.records import Reason

MAX_URL = 8000  # characters; servers refuse longer request lines
_ENCODED = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")  # RFC 3986: such a URL is sent unchanged
_HOST = re.compile(r"[A-Za-z0-9_:](?:[A-Za-z0-9._:%-]*)")  # names and addresses, after IDNA


def parse_url(text: str, base: URL | None = None) -> URL:
    """Parse a URL; `base` completes the relative target of a redirect.

    Raises SampleError: bad_url, unsupported_scheme.
    """
    text = text.strip()
    if not text or len(text) > MAX_URL or not text.isprintable():
        raise fetch_error(Reason.BAD_URL, f"{len(text)} characters, or control characters: {text[:100]!r}")
    try:
        url = URL(text, encoded=_ENCODED.fullmatch(text) is not None)
        if base is not None and not url.scheme:
            url = base.join(url)
        if url.scheme not in ("http", "https"):
            if url.scheme:
                reason = Reason.UNSUPPORTED_SCHEME
            else:
                reason = Reason.BAD_URL
            raise fetch_error(reason, f"{text[:200]!r}: only http:// and https:// are fetched")
        if not url.host or not _HOST.fullmatch(url.raw_host or ""):
            raise ValueError("no host, or an invalid host name")
    except ValueError as error:
        raise fetch_error(Reason.BAD_URL, f"{text[:200]!r}: {error}") from None
    return url
