"""JSON text as plain values. Whatever is wrong with a damaged or hostile file is one kind of error."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, TypeVar, cast

from schemas.text import one_line

T = TypeVar("T")
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


def read_json_as(kind: type[T], data: bytes) -> T:
    """A dataclass from the JSON text of its fields. Raises JsonError, which names the field.

    Each value must have the type of its field, and the range if the type is annotated with one. Fields that
    the dataclass lacks are left out, so that older versions read what newer ones wrote.
    """
    from pydantic import ValidationError  # not every command that reads JSON needs it

    try:
        value: T = _reader(cast(Any, kind)).validate_json(data, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise JsonError(one_line(f"{where}: {first['msg']}" if where else first["msg"], 200)) from None
    except RecursionError as error:
        raise JsonError(json_problem(error)) from None
    return value


@cache
def _reader(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def json_problem(error: Exception) -> str:
    """The words of what Python's parser raises: ValueError, or RecursionError for deep nesting."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if TOO_LONG in str(error):  # else it advises to lift the limit
        return "a number in it has thousands of digits"
    return one_line(error, 200)
