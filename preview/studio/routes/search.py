"""Search: the results for a text, and their clips."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from preview.studio.search import Searcher
from preview.studio.state import Studio
from preview.studio.web.exchange import as_json, as_webp, number
from preview.studio.web.guard import Handler
from schemas.errors import ConfigError


def routes(studio: Studio) -> list[tuple[str, str, Handler]]:
    """Return (method, path, handler) of each."""

    def searcher() -> Searcher:
        if studio.searcher is None:
            raise ConfigError("no index is open; start the studio with --index DIR")
        return studio.searcher

    async def find(request: web.Request) -> web.Response:
        text, count = request.query.get("text", "")[:1000], number(request, "count", 1, 50, default=12)
        if not text.strip():
            raise ConfigError("type a text to search for")
        return as_json((await studio.work(searcher().find, text, count)).to_plain())

    async def clip(request: web.Request) -> web.Response:
        make = partial(searcher().clip, request.match_info["id"], still=request.query.get("still") == "1")
        return as_webp(await studio.work(make))

    return [("GET", "/api/search", find), ("GET", "/api/search/{id}/clip", clip)]
