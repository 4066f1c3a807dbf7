"""JSON text as plain values. Whatever is wrong with a damaged or hostile file is one kind of error."""

from __future__ import annotations

import json
from typing import Any

from schemas.text import one_line


class JsonError(ValueError):
    """Text that is not usable JSON. The message is one line."""


def read_json(text: str | bytes) -> Any:
    """The plain value of a JSON text. Raises JsonError, also for one that is nested too deeply.

    `json.loads` raises RecursionError then, and UnicodeDecodeError for bytes that are no text.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise JsonError("it is nested too deeply") from None
    except ValueError as error:
        raise JsonError(one_line(error, 200)) from None
