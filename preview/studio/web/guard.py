"""Which requests are answered: those of this machine's own page, and how a failure is answered."""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
from aiohttp import web

from preview.studio.pictures import MAX_UPLOAD, UnknownPictureError
from schemas.errors import ConfigError
from schemas.text import human_bytes, one_line
from storage.shards.read import ShardError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LOG = logging.getLogger(__name__)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors "
    "'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
FIELDS = re.compile(r"(?:^|: )(?:motion [^:]*: )?([a-z_][\w.]*(?: \+ [a-z_][\w.]*)*) = ")


def guard(host: str) -> Any:
    """Refuse requests that a foreign web page can make a browser send.

    Those have a foreign host name or come from another site.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _is_our_name(request.headers.get("Host", ""), host):
            return _error(403, "this address is not served here; use 127.0.0.1 or localhost")
        origin = request.headers.get("Origin")
        foreign = origin is not None and _netloc(origin) != request.headers.get("Host")
        if foreign or request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
            return _error(403, "requests from other sites are refused")
        response = await handler(request)
        response.headers.update(HEADERS)
        return response

    return check


def _is_our_name(header: str, host: str) -> bool:
    """Is the Host header an IP address, localhost or the name of `host`?

    Foreign DNS can point any other name here.
    """
    try:
        name = urlsplit(f"//{header}").hostname or ""
    except ValueError:  # "[" opens an address that does not end
        return False
    if name in ("localhost", host.lower()):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


@web.middleware
async def one_line_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a failed request with one line of JSON, without a stack trace or a path that was not given."""
    try:
        return await handler(request)
    except UnknownPictureError as error:
        return _error(404, str(error))
    except (ConfigError, ShardError) as error:
        return _error(400, str(error))
    except web.HTTPRequestEntityTooLarge:
        return _error(413, f"too large: at most {human_bytes(MAX_UPLOAD)}")
    except web.HTTPException as error:
        return _error(error.status, error.reason)
    except OSError as error:
        return _error(500, f"the files cannot be read: {error.strerror or type(error).__name__}")
    except (RecursionError, ValueError, pa.ArrowException) as error:
        return _error(400, f"the request cannot be used: {one_line(error, 200)}")
    except Exception as error:
        LOG.error("%s %r: %s: %s", request.method, request.path, type(error).__name__, one_line(error, 300))
        LOG.debug("the request failed", exc_info=True)
        return _error(500, f"the request failed: {type(error).__name__}")


def _error(status: int, text: str) -> web.Response:
    values = {"error": one_line(text, 600), "fields": fields_in(text)}
    return web.json_response(values, status=status, headers=HEADERS)


def fields_in(text: str) -> Sequence[str]:
    """Return the fields that a message names before its ` = `, so that the page can show it next to them."""
    found = FIELDS.search(text[:600])
    if found is None:
        return []
    return found[1].split(" + ")
