"""The pictures, outputs and index that one server shows, and the threads that work for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from preview.studio.outputs.view import OutputView
from preview.studio.pictures import PictureBook
from preview.studio.search import Searcher
from preview.studio.web.exchange import number
from schemas.errors import ConfigError


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
            return self.outputs[number(request, "output", 0, len(self.outputs) - 1)]
        except IndexError:
            raise ConfigError("no output is open; start the studio with an output folder") from None
