"""Values of a row, whatever their type: lists, captions, and the identity of a picture known by its URL."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.text import valid_text

# Raised for a value that Python cannot hold, such as a date after the year 9999 or an unknown time zone.
NO_VALUE = (OverflowError, LookupError)


def as_list(value: Any) -> Sequence[Any]:
    """The list itself; any other value as a list of one."""
    if isinstance(value, list | tuple):
        return value
    return [value]


def as_mapping(value: Any) -> Mapping[str, Any]:
    """The mapping itself; {} for any other value."""
    if isinstance(value, dict):
        return value
    return {}


def as_text(value: Any) -> str | None:
    """A text that UTF-8 can hold; None for any other value."""
    if isinstance(value, str):
        return valid_text(value)
    return None


def texts(value: Any) -> list[str]:
    """The captions in a cell: a text, or the texts of a list."""
    return [valid_text(text) for text in as_list(value) if isinstance(text, str)]


def decoded(value: Any) -> Any:
    """Bytes, and bytes in a list, as the text that they hold. Raises UnicodeDecodeError."""
    if isinstance(value, bytes):
        return value.decode("utf-8-sig")
    if isinstance(value, list):
        return [decoded(item) for item in value]
    return value


def url_identity(url: str) -> str:
    """The `image_id` of a picture known by its URL: captions of one picture are no negatives."""
    return "url-" + hashlib.blake2b(url.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
