"""One fetcher for everything in a process, so that its limits hold for the process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from pipelines.fetching.config import FetchConfig
from pipelines.fetching.fetcher import Fetcher

Check = Callable[[bytes], object]


@dataclass
class _Shared:
    fetcher: Fetcher
    users: int = 0


# A Beam worker process makes several instances of a DoFn, each with a maker, for the same hosts.
_shared: dict[tuple[str, Check], _Shared] = {}
_lock = threading.Lock()


def share_fetcher(config: FetchConfig, check: Check) -> Fetcher:
    """This process's fetcher for an equal config and the same check. Release it after use."""
    name = (config.model_dump_json(), check)
    with _lock:
        shared = _shared.get(name)
        if shared is None:
            shared = _shared[name] = _Shared(Fetcher(config, check=check))
        shared.users += 1
        return shared.fetcher


def release_fetcher(fetcher: Fetcher) -> None:
    """Give a shared fetcher back; it ends with its last user."""
    with _lock:
        name = next(name for name, shared in _shared.items() if shared.fetcher is fetcher)
        shared = _shared[name]
        shared.users -= 1
        if shared.users:
            return
        del _shared[name]
    fetcher.close()
