"""Read what the page sends, within limits, and answer it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from schemas.errors import ConfigError

MAX_JSON = 64 * 1024
MAX_DEPTH = 16  # of lists and objects in a request; the page sends 4


def as_json(values: Mapping[str, Any]) -> web.Response:
    """Answer with values that change from request to request."""
    return web.json_response(values, headers={"Cache-Control": "no-store"})


def as_webp(data: bytes) -> web.Response:
    """Answer with a picture or a moving clip, which its address determines."""
    return web.Response(
        body=data, content_type="image/webp", headers={"Cache-Control": "private, max-age=600"}
    )


async def posted(request: web.Request) -> dict[str, Any]:
    """Read the JSON object of a request. Raises ConfigError."""
    body = await request.content.read(MAX_JSON + 1)
    if len(body) > MAX_JSON:
        raise ConfigError(f"the request is larger than {MAX_JSON} bytes")
    try:
        values = json.loads(body, parse_constant=_refuse_constant)
        depth = _depth(values)
    except RecursionError:
        depth = MAX_DEPTH + 1
    except ValueError:
        raise ConfigError("the request is not JSON") from None
    if depth > MAX_DEPTH:
        raise ConfigError(f"the request is nested more than {MAX_DEPTH} deep")
    if not isinstance(values, dict):
        raise ConfigError("the request must be a JSON object")
    return values


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _depth(value: Any) -> int:
    """Count the levels of lists and objects."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return 0
    return 1 + max(map(_depth, value), default=0)


def number(request: web.Request, name: str, low: int, high: int, *, default: int | None = None) -> int:
    """Read a whole number from the path or the query of a request. Raises ConfigError."""
    text = request.match_info.get(name) or request.query.get(name)
    if text is None and default is not None:
        return default
    try:
        value = int(text or "")
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise ConfigError(f"{name} = {(text or '')[:40]!r}: it must be a whole number, {low} to {high}")
    return value
