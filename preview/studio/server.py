"""The studio's web server: its rules and its routes."""

from __future__ import annotations

from aiohttp import web

from preview.studio.motions import catalog
from preview.studio.pictures import MAX_UPLOAD
from preview.studio.routes import motions, outputs, pictures, search
from preview.studio.state import Studio
from preview.studio.web.assets import asset_routes
from preview.studio.web.exchange import as_json
from preview.studio.web.guard import Handler, guard, one_line_errors


def make_app(studio: Studio) -> web.Application:
    """Make the application."""
    app = web.Application(
        client_max_size=MAX_UPLOAD + 1024, middlewares=[guard(studio.host), one_line_errors]
    )
    for method, path, handler in _routes(studio):
        app.router.add_route(method, path, handler)
    return app


def _routes(studio: Studio) -> list[tuple[str, str, Handler]]:
    return [
        *asset_routes(),
        ("GET", "/api/state", _state(studio)),
        *pictures.routes(studio),
        *motions.routes(studio),
        *outputs.routes(studio),
        *search.routes(studio),
    ]


def _state(studio: Studio) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        return as_json(
            {
                **catalog.describe(),
                "pictures": [{"id": p.id, "name": p.name} for p in studio.book.given],
                "samples": studio.book.samples,
                "outputs": [output.uri for output in studio.outputs],
                "search": studio.searcher is not None,
            }
        )

    return handle
