"""JSON text as plain values. Whatever is wrong with a damaged or hostile file is one kind of error."""

from __future__ import annotations

import json
from typing import Any

from schemas.text import one_line

TOO_LONG = "integer string conversion"


class JsonError(ValueError):
    """Text that is not usable JSON. The message is one line."""


def read_json(text: str | bytes) -> Any:
    """The plain value of a JSON text. Raises JsonError, also for one that is nested too deeply.

    `json.loads` raises RecursionError then, and UnicodeDecodeError for bytes that are no text.
    """
    try:
        return json.loads(text)
    except (RecursionError, ValueError) as error:
        raise JsonError(json_problem(error)) from None


def json_problem(error: Exception) -> str:
    """The words of what Python's parser raises: ValueError, or RecursionError for deep nesting."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if TOO_LONG in str(error):  # else it advises to lift the limit
        return "a number in it has thousands of digits"
    return one_line(error, 200)
