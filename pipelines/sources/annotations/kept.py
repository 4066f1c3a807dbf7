"""Columns of a table that KEY.json keeps: `source.keep`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

from pipelines.sources.annotations.cells import NO_VALUE
from schemas.errors import ConfigError
from schemas.records import Reason, SampleError, Stage
from schemas.text import nearest_hint, valid_text

FIELD = "columns"  # in `meta` of KEY.json
MAX_CHARACTERS = 10_000  # of one value as JSON
MAX_DEPTH = 8  # of lists and objects in each other
MAX_NUMBER = 2**63


def check_kept(keep: Sequence[str], columns: Sequence[str], others: Sequence[str | None], where: str) -> None:
    """Raise ConfigError for a column that a table lacks, has twice, or that is kept without `source.keep`.

    `others` are the columns of pictures, URLs and captions.
    """
    for name in keep:
        if name not in columns:
            raise ConfigError(
                f"source.keep: {where} has no column {name!r}; it has {', '.join(columns)}"
                f"{nearest_hint(name, columns)}"
            )
        if columns.count(name) > 1:
            raise ConfigError(f"source.keep: {where} has {columns.count(name)} columns named {name!r}")
        if name in others:
            raise ConfigError(
                f"source.keep: {where}: {name!r} is read as picture, URL or caption, which is kept anyway; "
                "remove it"
            )


def kept_meta(keep: Sequence[str], value_of: Callable[[str], Any]) -> dict[str, Any]:
    """Return ``{"columns": {name: value}}`` for `Reference.meta`; {} if no column is kept.

    Dates and times become ISO 8601, durations seconds, bytes the text that they hold, and numbers that are
    not finite null. Raises SampleError for a value that JSON cannot hold, or a very large one.
    """
    if not keep:
        return {}
    return {FIELD: {valid_text(name): _checked(name, value_of) for name in keep}}


def _checked(name: str, value_of: Callable[[str], Any]) -> Any:
    try:
        value = _plain(value_of(name), MAX_DEPTH)
        characters = len(json.dumps(value))
    except UnicodeDecodeError as error:
        raise SampleError(Stage.READ, Reason.NOT_UTF8, f"column {name}: byte {error.start}") from None
    except (ValueError, *NO_VALUE) as error:
        raise SampleError(Stage.READ, Reason.MALFORMED_ROW, f"column {name}: {error}") from None
    if characters > MAX_CHARACTERS:
        detail = f"column {name}: {characters} characters as JSON; source.keep takes {MAX_CHARACTERS}"
        raise SampleError(Stage.READ, Reason.MALFORMED_ROW, detail)
    return value


def _plain(value: Any, depth: int) -> Any:
    """A value of Arrow, CSV or JSON as plain JSON. Raises ValueError."""
    if isinstance(value, bytes):
        value = value.decode("utf-8-sig")
    if isinstance(value, str):
        return valid_text(value)
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) >= MAX_NUMBER:
        raise ValueError("a number of more than 64 bits")
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    if not isinstance(value, Mapping | list | tuple):
        raise ValueError(f"JSON cannot hold a {type(value).__name__}")
    if depth == 0:
        raise ValueError(f"lists and objects are more than {MAX_DEPTH} deep")
    if isinstance(value, Mapping):
        return {valid_text(str(name)): _plain(inner, depth - 1) for name, inner in value.items()}
    return [_plain(inner, depth - 1) for inner in value]
