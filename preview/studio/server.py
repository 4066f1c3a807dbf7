"""The studio's web server: its routes, and the rules for who may ask and which files may be shown."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
from aiohttp import web

from preview.studio import motions
from preview.studio.pictures import MAX_UPLOAD, PictureBook, UnknownPictureError
from preview.studio.search import Searcher
from preview.studio.shards import OutputView, Query
from schemas.errors import ConfigError
from schemas.text import human_bytes, one_line
from storage.shards.read import ShardError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LOG = logging.getLogger(__name__)
MAX_JSON = 64 * 1024
MAX_DEPTH = 16  # of lists and objects in a request; the page sends 4
ASSETS = {
    "theme.css": "text/css",
    "studio.css": "text/css",
    "studio.js": "text/javascript",
    "motions.js": "text/javascript",
    "player.js": "text/javascript",
    "shards.js": "text/javascript",
    "search.js": "text/javascript",
    "sample.js": "text/javascript",
    "dom.js": "text/javascript",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors "
    "'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass
class Studio:
    """The pictures, outputs and index of one server."""

    book: PictureBook
    outputs: Sequence[OutputView] = ()
    searcher: Searcher | None = None
    host: str = "127.0.0.1"
    pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(4, thread_name_prefix="studio")
    )

    async def work(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function on a thread, so that one visitor's clip does not delay another visitor's page."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, function, *args)

    def output(self, request: web.Request) -> OutputView:
        """Return the output that a request names by number. Raises ConfigError if there is none."""
        try:
            return self.outputs[_number(request, "output", 0, len(self.outputs) - 1)]
        except IndexError:
            raise ConfigError("no output is open; start the studio with an output folder") from None


def make_app(studio: Studio) -> web.Application:
    """Make the application."""
    app = web.Application(client_max_size=MAX_UPLOAD + 1024, middlewares=[_guard(studio.host), _one_line])
    for method, path, handler in _routes(studio):
        app.router.add_route(method, path, handler)
    return app


def _routes(studio: Studio) -> list[tuple[str, str, Handler]]:
    return [
        ("GET", "/", _asset("studio.html", "text/html")),
        *(("GET", f"/assets/{name}", _asset(name, kind)) for name, kind in ASSETS.items()),
        ("GET", "/api/state", _state(studio)),
        *_motion_routes(studio),
        *_shard_routes(studio),
        *_search_routes(studio),
    ]


def _asset(name: str, kind: str) -> Handler:
    data = (files("preview") / "assets" / name).read_bytes()

    async def handle(request: web.Request) -> web.Response:
        return web.Response(
            body=data, content_type=kind, charset="utf-8", headers={"Cache-Control": "no-cache"}
        )

    return handle


def _state(studio: Studio) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        pictures = [{"id": p.id, "name": p.name} for p in studio.book.given]
        outputs = [output.uri for output in studio.outputs]
        state = {
            "motions": motions.registry(),
            "default_mix": motions.MotionMix.default().to_dict(),
            "pictures": pictures,
        }
        return _json({**state, "outputs": outputs, "search": studio.searcher is not None})

    return handle


def _motion_routes(studio: Studio) -> list[tuple[str, str, Handler]]:
    book = studio.book

    async def drop(request: web.Request) -> web.Response:
        name = request.query.get("name", "picture")[-200:].replace("\\", "/").rsplit("/", 1)[-1] or "picture"
        picture = await studio.work(book.add, await request.read(), name)
        return _json({"id": picture.id, "name": picture.name})

    async def thumb(request: web.Request) -> web.Response:
        side = _number(request, "side", 16, 1024, default=160)
        return _webp(await studio.work(book.thumb, request.match_info["id"], side))

    async def tile(request: web.Request) -> web.Response:
        def make() -> bytes:
            still = request.query.get("still") == "1"
            return motions.gallery_tile(
                book, request.match_info["id"], request.match_info["motion"], still=still
            )

        return _webp(await studio.work(make))

    async def clip(request: web.Request) -> web.Response:
        wanted = motions.ClipRequest.make(await _posted(request))

        return _json(await studio.work(lambda: motions.make_studio_clip(book, wanted).to_plain()))

    async def draws(request: web.Request) -> web.Response:
        wanted = motions.ClipRequest.make(await _posted(request))
        return _json({"draws": await studio.work(motions.draws, book, wanted, 12)})

    return [
        ("POST", "/api/pictures", drop),
        ("GET", "/api/pictures/{id}", thumb),
        ("GET", "/api/pictures/{id}/motions/{motion}", tile),
        ("POST", "/api/clip", clip),
        ("POST", "/api/draws", draws),
    ]


def _shard_routes(studio: Studio) -> list[tuple[str, str, Handler]]:
    async def overview(request: web.Request) -> web.Response:
        return _json(await studio.work(studio.output(request).overview))

    async def page(request: web.Request) -> web.Response:
        query = Query(*(request.query.get(name, "")[:500] for name in ("caption", "motion", "source")))
        start, count = (
            _number(request, "start", 0, 2**53, default=0),
            _number(request, "count", 1, 100, default=24),
        )
        return _json(await studio.work(studio.output(request).page, query, start, count))

    async def clip(request: web.Request) -> web.Response:
        output = studio.output(request)
        make = partial(
            output.clip, _number(request, "position", 0, 2**53), still=request.query.get("still") == "1"
        )
        return _webp(await studio.work(make))

    async def details(request: web.Request) -> web.Response:
        return _json(
            await studio.work(studio.output(request).details, _number(request, "position", 0, 2**53))
        )

    base = "/api/outputs/{output}"
    return [
        ("GET", f"{base}/overview", overview),
        ("GET", f"{base}/page", page),
        ("GET", f"{base}/clip", clip),
        ("GET", f"{base}/details", details),
    ]


def _search_routes(studio: Studio) -> list[tuple[str, str, Handler]]:
    def searcher() -> Searcher:
        if studio.searcher is None:
            raise ConfigError("no index is open; start the studio with --index DIR")
        return studio.searcher

    async def find(request: web.Request) -> web.Response:
        text, count = request.query.get("text", "")[:1000], _number(request, "count", 1, 50, default=12)
        if not text.strip():
            raise ConfigError("type a text to search for")
        return _json((await studio.work(searcher().find, text, count)).to_plain())

    async def clip(request: web.Request) -> web.Response:
        make = partial(searcher().clip, request.match_info["id"], still=request.query.get("still") == "1")
        return _webp(await studio.work(make))

    return [("GET", "/api/search", find), ("GET", "/api/search/{id}/clip", clip)]


def _guard(host: str) -> Any:
    """Refuse the requests that a foreign web page can make a browser send: foreign host names and cross-site
    requests."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _is_our_name(request.headers.get("Host", ""), host):
            return _error(403, "this address is not served here; use 127.0.0.1 or localhost")
        origin = request.headers.get("Origin")
        foreign = origin is not None and _netloc(origin) != request.headers.get("Host")
        if foreign or request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
            return _error(403, "requests from other sites are refused")
        response = await handler(request)
        response.headers.update(HEADERS)
        return response

    return guard


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
async def _one_line(request: web.Request, handler: Handler) -> web.StreamResponse:
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
    except (OSError, pa.ArrowException) as error:
        return _error(500, f"the files cannot be read: {type(error).__name__}")
    except (RecursionError, ValueError) as error:
        return _error(400, f"the request cannot be used: {one_line(error, 200)}")
    except Exception as error:
        LOG.error("%s %r: %s: %s", request.method, request.path, type(error).__name__, one_line(error, 300))
        LOG.debug("the request failed", exc_info=True)
        return _error(500, f"the request failed: {type(error).__name__}")


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": one_line(text, 600)}, status=status, headers=HEADERS)


def _json(values: Mapping[str, Any]) -> web.Response:
    return web.json_response(values, headers={"Cache-Control": "no-store"})


def _webp(data: bytes) -> web.Response:
    return web.Response(
        body=data, content_type="image/webp", headers={"Cache-Control": "private, max-age=600"}
    )


async def _posted(request: web.Request) -> dict[str, Any]:
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


def _number(request: web.Request, name: str, low: int, high: int, *, default: int | None = None) -> int:
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
