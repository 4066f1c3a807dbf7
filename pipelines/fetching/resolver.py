"""Name lookup for aiohttp that yields allowed addresses only."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

from pipelines.fetching.addresses import AddressPolicy
from pipelines.fetching.errors import may_pass

FAILURE_TTL = 30  # seconds that a failed lookup is remembered
MAX_NAMES = 10_000  # failed names that are remembered

Lookup = Callable[[str], Sequence[str]]  # host name -> addresses as text; raises socket.gaierror


def system_lookup(host: str) -> list[str]:
    """Addresses of a host name from the system's resolver, in its order of preference."""
    infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


class CheckedResolver(AbstractResolver):
    """Resolve each name once, so that the address that was checked is the one connected to."""

    def __init__(self, policy: AddressPolicy, lookup: Lookup, threads: int) -> None:
        self._policy = policy
        self._lookup = lookup
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="dns")  # system lookups block
        self._failed: dict[str, tuple[float, OSError]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """aiohttp's interface. Raises OSError: RefusedAddressError, or the resolver's socket.gaierror."""
        until, error = self._failed.get(host, (0.0, OSError()))
        if time.monotonic() < until:
            raise error
        try:
            addresses = await asyncio.get_running_loop().run_in_executor(self._pool, self._lookup, host)
            allowed = self._policy.check(addresses)
        except OSError as failure:
            if len(self._failed) >= MAX_NAMES:
                self._failed.clear()
            if not may_pass(failure):
                self._failed[host] = (time.monotonic() + FAILURE_TTL, failure)
            raise
        return [_result(host, address, port) for address in allowed]

    async def close(self) -> None:
        """Release the threads without waiting for lookups that hang."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=flags)
