"""Words of messages: one line from an exception, the nearest known name, bytes, and counted nouns."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

OVERRIDES = "\u202d\u202e"  # they show the text after them in another order than it has
_BYTE_UNITS = ("B", "kB", "MB", "GB")


def one_line(message: object, limit: int | None = None) -> str:
    """An exception's message, or any text, as one line of at most `limit` characters.

    An exception without a message gives the name of its type. Lone surrogates, which UTF-8 cannot hold,
    control characters and overrides of the direction become '?'. So the line can be stored and cannot steer a
    terminal.
    """
    text = " ".join(str(message).split())
    if not text and isinstance(message, BaseException):
        text = type(message).__name__
    text = valid_text(text)
    if not text.isprintable():
        text = "".join("?" if _is_control(character) else character for character in text)
    return text[:limit]


def valid_text(text: str) -> str:
    """The text with lone surrogates replaced by '?'.

    JSON and file names can hold them; UTF-8 and Parquet cannot.
    """
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode()


def valid_or_none(text: str | None) -> str | None:
    """As `valid_text`; None stays None."""
    if text is None:
        return None
    return valid_text(text)


def valid_json(value: Any) -> Any:
    """A JSON value, its texts and names as `valid_text` gives them."""
    if isinstance(value, str):
        return valid_text(value)
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, Mapping):
        return {valid_text(str(name)): valid_json(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [valid_json(inner) for inner in value]
    return value


def first_few(values: Sequence[object], most: int = 5) -> str:
    """The first `most` values, with commas; the others become ``, ...``."""
    named = ", ".join(map(str, values[:most]))
    if len(values) > most:
        named += ", ..."
    return named


def nearest(name: str, known: Iterable[str], *, count: int = 1, cutoff: float = 0.5) -> list[str]:
    """The known names that are spelt most like `name`, best first; [] if none is close. Ignores case."""
    by_lower_case: dict[str, str] = {}
    for candidate in known:
        by_lower_case.setdefault(candidate.casefold(), candidate)
    found = difflib.get_close_matches(name.casefold(), by_lower_case, n=count, cutoff=cutoff)
    return [by_lower_case[candidate] for candidate in found]


def nearest_hint(name: str, known: Iterable[str]) -> str:
    """``; the nearest is X``, ready to end a message with, or '' if no known name is close."""
    found = nearest(name, known)
    if found:
        return f"; the nearest is {found[0]}"
    return ""


def human_bytes(size: float) -> str:
    """``4.9 MB``, ``203 GB``: decimal units, three digits."""
    for unit in _BYTE_UNITS:
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.4g} TB"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """``1 shard``, ``2 shards``; `plural` for nouns that do not end in a plain s."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """``1h 02m``, ``3m 20s``, ``12s``."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    if whole >= 60:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole}s"


def _is_control(character: str) -> bool:
    return character < " " or "\x7f" <= character <= "\x9f" or character in OVERRIDES
