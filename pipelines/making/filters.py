"""Filters of a user's own: ``filters: [module:name]`` in the config.

A filter is a function, or a class that is made once per worker (to load a model) and then called. It returns
None to keep a sample, or a few words why it is dropped; the words stand in `failures.parquet` under the
reason ``filtered``.

- One argument, the `schemas.records.Reference`: called before anything is fetched, to drop by caption, URL or
  metadata.
- Two, the reference and the decoded `transforms.media.pictures.Picture`: called before rendering, to drop by
  size, content or score.

Each worker process has its own filters and calls them one at a time. A call is under the limits of its sample
(`limits`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.errors import ConfigError, JobError
from schemas.plugins import find_plugin
from schemas.records import Reason, Reference, SampleError, Stage


@dataclass(frozen=True)
class Filters:
    """Filters by when they are called. Each entry is (the import path, the function)."""

    on_references: tuple[tuple[str, Callable[..., Any]], ...] = ()
    on_pictures: tuple[tuple[str, Callable[..., Any]], ...] = ()

    def check_reference(self, reference: Reference) -> None:
        """Raises SampleError (filtered) if a filter drops it."""
        for path, call in self.on_references:
            _heed(path, call(reference))

    def check_picture(self, reference: Reference, picture: Any) -> None:
        """Raises SampleError (filtered) if a filter drops it."""
        for path, call in self.on_pictures:
            _heed(path, call(reference, picture))


def load_filters(paths: Sequence[str]) -> Filters:
    """Import filters and make those that are classes.

    Raises ConfigError if one is not found or takes other arguments.
    """
    on_references: list[tuple[str, Callable[..., Any]]] = []
    on_pictures: list[tuple[str, Callable[..., Any]]] = []
    for path in paths:
        found = find_filter(path)
        call = found
        if isinstance(found, type):
            call = found()
        (on_references if _arity(path, call) == 1 else on_pictures).append((path, call))
    return Filters(tuple(on_references), tuple(on_pictures))


def find_filter(path: str) -> Callable[..., Any]:
    """The function or class at ``module:name``.

    Raises ConfigError if there is none, or it takes other arguments.
    """
    found = find_plugin(path, "filters")
    if not callable(found):
        raise ConfigError(f"filters: {path} is not a function or class")
    call: Callable[..., Any] = found
    if not isinstance(found, type):
        _arity(path, call)
    return call


def _arity(path: str, call: Callable[..., Any]) -> int:
    parameters = inspect.signature(call).parameters.values()
    needed = [
        p
        for p in parameters
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    if len(needed) not in (1, 2):
        raise ConfigError(
            f"filters: {path} takes {len(needed)} arguments: it must take (reference) or (reference, picture)"
        )
    return len(needed)


def _heed(path: str, verdict: Any) -> None:
    if verdict is None:
        return
    if not isinstance(verdict, str):
        raise JobError(
            f"filters: {path} returned {verdict!r}: return None to keep a sample, or a text that says why not"
        )
    raise SampleError(Stage.FILTER, Reason.FILTERED, f"{path}: {verdict}")
