"""The files of the page, read once. Only these names are served; no request leads to a path."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import web

from preview.studio.web.guard import Handler

KINDS = {".js": "text/javascript", ".css": "text/css"}


def asset_routes() -> list[tuple[str, str, Handler]]:
    """Return the route of the page, and one for each of its scripts and style sheets."""
    assets = files("preview") / "assets"
    page = assets / "studio" / "studio.html"
    found = {"/": _asset(page.read_bytes(), "text/html")}
    found["/assets/theme.css"] = _asset((assets / "theme.css").read_bytes(), "text/css")
    for name, file in _walk(assets / "studio", "/assets/"):
        kind = KINDS.get(name[name.rfind(".") :])
        if kind is not None:
            found[name] = _asset(file.read_bytes(), kind)
    return [("GET", path, handler) for path, handler in found.items()]


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry


def _asset(data: bytes, kind: str) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        return web.Response(
            body=data, content_type=kind, charset="utf-8", headers={"Cache-Control": "no-cache"}
        )

    return handle
