"""Pictures: drop one, and show one."""

from __future__ import annotations

from aiohttp import web

from preview.studio.state import Studio
from preview.studio.web.exchange import as_json, as_webp, number
from preview.studio.web.guard import Handler


def routes(studio: Studio) -> list[tuple[str, str, Handler]]:
    """Return (method, path, handler) of each."""
    book = studio.book

    async def drop(request: web.Request) -> web.Response:
        name = request.query.get("name", "picture")[-200:].replace("\\", "/").rsplit("/", 1)[-1] or "picture"
        picture = await studio.work(book.add, await request.read(), name)
        return as_json({"id": picture.id, "name": picture.name})

    async def about(request: web.Request) -> web.Response:
        picture = book.find(request.match_info["id"])
        return as_json({"id": picture.id, "name": picture.name})

    async def thumb(request: web.Request) -> web.Response:
        side = number(request, "side", 16, 1024, default=160)
        return as_webp(await studio.work(book.thumb, request.match_info["id"], side))

    return [
        ("POST", "/api/pictures", drop),
        ("GET", "/api/pictures/{id}", thumb),
        ("GET", "/api/pictures/{id}/about", about),
    ]
