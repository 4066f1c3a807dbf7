"""Outputs: counts, pages of rows, and single clips."""

from __future__ import annotations

from functools import partial

import numpy as np
from aiohttp import web

from preview.studio.outputs.query import Query
from preview.studio.state import Studio
from preview.studio.web.exchange import as_json, as_webp, number
from preview.studio.web.guard import Handler
from schemas.errors import ConfigError


def routes(studio: Studio) -> list[tuple[str, str, Handler]]:
    """Return (method, path, handler) of each."""

    async def overview(request: web.Request) -> web.Response:
        return as_json(await studio.work(studio.output(request).overview))

    async def page(request: web.Request) -> web.Response:
        query = Query.read(request.query)
        start = number(request, "start", 0, 2**53, default=0)
        count = number(request, "count", 1, 100, default=24)
        return as_json(await studio.work(studio.output(request).page, query, start, count))

    async def rows(request: web.Request) -> web.Response:
        texts = request.query.get("positions", "")[:2000].split(",")
        try:
            positions = np.array([int(text) for text in texts if text], np.int64)
        except (ValueError, OverflowError):
            raise ConfigError("positions: write whole numbers, with commas between them") from None
        return as_json({"rows": await studio.work(studio.output(request).rows_at, positions)})

    async def keys(request: web.Request) -> web.Response:
        return as_json(await studio.work(studio.output(request).keys, Query.read(request.query)))

    async def clip(request: web.Request) -> web.Response:
        output, position = studio.output(request), number(request, "position", 0, 2**53)
        make = partial(output.clip, position, still=request.query.get("still") == "1")
        return as_webp(await studio.work(make))

    async def details(request: web.Request) -> web.Response:
        position = number(request, "position", 0, 2**53)
        return as_json(await studio.work(studio.output(request).details, position))

    base = "/api/outputs/{output}"
    return [
        ("GET", f"{base}/overview", overview),
        ("GET", f"{base}/page", page),
        ("GET", f"{base}/rows", rows),
        ("GET", f"{base}/keys", keys),
        ("GET", f"{base}/clip", clip),
        ("GET", f"{base}/details", details),
    ]
