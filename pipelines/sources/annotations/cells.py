"""Values of a row: captions, and the identity of a picture that is known by its URL."""

from __future__ import annotations

import hashlib
from typing import Any

from schemas.text import valid_text


def texts(value: Any) -> list[str]:
    """The captions in a cell: a text, or the texts of a list."""
    values = value if isinstance(value, list | tuple) else [value]
    return [valid_text(text) for text in values if isinstance(text, str)]


def url_identity(url: str) -> str:
    """The `image_id` of a picture known by its URL: captions of one picture are no negatives."""
    return "url-" + hashlib.blake2b(url.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
