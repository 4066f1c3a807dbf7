"""Errors of the hub's clients, as one line that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import ConfigError, JobError
from schemas.text import one_line


class BrokenShardError(Exception):
    """Rows that cannot be parsed any further."""


def is_of_network(error: BaseException | None) -> bool:
    """Does an error come from the connection? OSErrors of Arrow's own have no number."""
    from huggingface_hub.errors import HTTPError

    while error is not None:
        if isinstance(error, HTTPError | ConnectionError | TimeoutError):
            return True
        if isinstance(error, OSError) and error.errno is not None:
            return True
        error = error.__cause__
    return False


@contextmanager
def answers(name: str) -> Iterator[None]:
    """Turn errors of the hub's clients into ConfigError (name, rights, format) and OSError (connection)."""
    try:
        yield
    except (ConfigError, JobError, MemoryError, BrokenShardError, ModuleNotFoundError):
        raise
    except Exception as error:
        raise _in_one_line(name, error) from error


def _in_one_line(name: str, error: Exception) -> Exception:
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    status = None
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
    if status in (401, 403, 404):
        return ConfigError(
            f"source.uri: {name}: no such folder here, and no such data set on the hub ({status}); "
            "check the name and source.revision; for a private one run `hf auth login`, or set HF_TOKEN"
        )
    if isinstance(error, OfflineModeIsEnabled):
        return ConfigError(f"source.uri: {name}: HF_HUB_OFFLINE is set, so the hub cannot be asked; unset it")
    if status is None and not is_of_network(error):
        return ConfigError(f"source.uri: {name}: `datasets` cannot read it: {one_line(error, 200)}")
    return OSError(f"{name}: the hub cannot be read: {one_line(error, 200)}; run the same command again")
