"""Motions: a clip, the tiles of the gallery, and the draws of several seeds."""

from __future__ import annotations

from aiohttp import web

from preview.studio.motions import clip as clips
from preview.studio.motions.request import ClipRequest
from preview.studio.motions.save import KINDS, save_clip
from preview.studio.motions.tiles import MOST_DRAWS, gallery_tile
from preview.studio.motions.tiles import draws as make_draws
from preview.studio.state import Studio
from preview.studio.web.exchange import as_json, as_webp, number, posted
from preview.studio.web.guard import Handler


def routes(studio: Studio) -> list[tuple[str, str, Handler]]:
    """Return (method, path, handler) of each."""
    book = studio.book

    async def tile(request: web.Request) -> web.Response:
        def make() -> bytes:
            still = request.query.get("still") == "1"
            return gallery_tile(book, request.match_info["id"], request.match_info["motion"], still=still)

        return as_webp(await studio.work(make))

    async def clip(request: web.Request) -> web.Response:
        wanted = ClipRequest.make(await posted(request))

        return as_json(await studio.work(lambda: clips.make_studio_clip(book, wanted).to_plain()))

    async def draws(request: web.Request) -> web.Response:
        wanted = ClipRequest.make(await posted(request))
        count = number(request, "count", 1, MOST_DRAWS, default=12)
        return as_json({"draws": await studio.work(make_draws, book, wanted, count)})

    async def save(request: web.Request) -> web.Response:
        wanted, kind = ClipRequest.make(await posted(request)), request.query.get("as", "")
        data = await studio.work(save_clip, book, wanted, kind)
        headers = {"Content-Disposition": f'attachment; filename="clip.{kind}"', "Cache-Control": "no-store"}
        return web.Response(body=data, content_type=KINDS[kind], headers=headers)

    return [
        ("GET", "/api/pictures/{id}/motions/{motion}", tile),
        ("POST", "/api/clip", clip),
        ("POST", "/api/draws", draws),
        ("POST", "/api/save", save),
    ]
