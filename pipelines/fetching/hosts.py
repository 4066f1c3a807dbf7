"""Pauses that hosts ask for with Retry-After."""

from __future__ import annotations

import time

MAX_HOSTS = 10_000  # hosts that are remembered


class HostPauses:
    """Remember, per host, until when it asked for no further requests."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}  # host and port -> time.monotonic()

    def ask(self, host: str, seconds: float) -> None:
        """The host asked for a pause of this many seconds from now."""
        if len(self._until) >= MAX_HOSTS:
            self._drop_ended()
        self._until[host] = max(self._until.get(host, 0.0), time.monotonic() + seconds)

    def left(self, host: str) -> float:
        """Seconds that are left of a host's pause; 0.0 if there is none."""
        until = self._until.get(host)
        if until is None:
            return 0.0
        left = until - time.monotonic()
        if left <= 0:
            del self._until[host]
        return max(0.0, left)

    def _drop_ended(self) -> None:
        now = time.monotonic()
        self._until = {host: until for host, until in self._until.items() if until > now}
        if len(self._until) >= MAX_HOSTS:  # a list of hosts that all ask for hours: forget rather than grow
            self._until.clear()
