"""The bytes that fetched pictures may hold in one process, over all of its tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Budget:
    """Bytes that were received and not yet taken. For one event loop.

    A download that must not wait, because a task cannot continue without it, may exceed the budget.
    `when_full` is called before any other waits, so that the former can be started.
    """

    def __init__(self, most: int, when_full: Callable[[], None]) -> None:
        self._most, self._when_full = most, when_full
        self._held = self._waiting = 0
        self._changed = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Has everything been given out, or does somebody wait?"""
        return self._held >= self._most or self._waiting > 0

    async def take(self, size: int, must_not_wait: Callable[[], bool]) -> None:
        """Take bytes, as soon as there is room for them."""
        while self._held and self._held + size > self._most and not must_not_wait():
            self._waiting += 1
            self._when_full()
            try:
                await self._changed.wait()
            finally:
                self._waiting -= 1
        self._held += size

    def give(self, size: int) -> None:
        """Give bytes back."""
        self._held -= size
        self.look_again()

    def look_again(self) -> None:
        """Wake those who wait: there is room, or one of them must not wait any more."""
        self._changed.set()
        self._changed = asyncio.Event()
