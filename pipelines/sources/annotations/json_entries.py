"""JSON annotations, streamed: byte order marks, NaN and any depth are read; memory is bounded per entry."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Collection, Iterator
from typing import IO, Any

import ijson

from pipelines.workers.reader import Progress, unwatched
from schemas.errors import ConfigError
from schemas.text import one_line
from storage.read import open_input

BUFFER = 1024 * 1024
MAX_DEPTH = 32  # levels of one entry; a deeper value reads as null
MAX_EVENTS = 2_000_000  # values and keys of one entry
MAX_TEXT = 64 * 1024 * 1024  # bytes of one string
BOM = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
NOT_UTF8 = "\ufdd0"  # in place of bytes that are not UTF-8; no text has this character, which Unicode forbids
_NO_TEXT = re.compile("[\udc80-\udcff]")  # such bytes, as "surrogateescape" decodes them
_SCALARS = frozenset(("string", "number", "boolean", "null"))
_NOT_JSON = re.compile(  # a string, or a constant that JSON does not have
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|-?\b(?:NaN|Infinity)\b', re.S
)
_CONSTANT = re.compile(rb"-?(?:NaN|Infinity)")
_LONGEST = len(b"-Infinity")
_ESCAPES = re.compile(rb"\\.", re.S)
_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # halves of a character
_HIGH_HALF, _LOW_HALF = re.compile(_HIGH), re.compile(_LOW)
_CHARACTERS = re.compile(_HIGH + _LOW + b"|" + _LOW + rb"|\\.", re.S)
_HALF_BYTES = len(b"\\udfff")


def json_entries(
    path: str,
    field: str,
    arrays: Collection[str] = (),
    *,
    others: bool = False,
    progress: Progress = unwatched,
) -> Iterator[tuple[str | None, Any]]:
    """Yield the entries of a JSON file in its order.

    Of an array: (None, entry). Of an object: (key, value) for each key. With `arrays` it yields (key, entry)
    for each entry of the arrays of these names, and other keys only with `others`. Raises ConfigError, one
    line that names `field`, file and cause. `progress` hears of the path at each piece that is read.
    """
    with open_input(path) as stream:
        try:
            source = JsonBytes(stream, lambda: progress(path))
            events = ijson.basic_parse(source, use_float=True, buf_size=BUFFER)
            yield from _entries(events, arrays, others or not arrays)
        except (ijson.JSONError, UnicodeDecodeError, ValueError) as error:
            raise ConfigError(f"{field}: {path}: not a readable JSON: {_cause(error)}") from None


def marked(text: str) -> str:
    """A text with bytes that are not UTF-8, for a message."""
    return ascii(one_line(text.replace(NOT_UTF8, "?"), 100))


class JsonBytes:
    """A stream of JSON as yajl can read it.

    The byte order mark is removed, and NaN and Infinity become null. The second half of an escaped character
    without its first becomes U+FFFD. Of a first half alone yajl makes a "?". Bytes that are not UTF-8 become
    `NOT_UTF8`: they cost the texts that hold them, and not the file.
    """

    def __init__(self, stream: IO[bytes], progress: Callable[[], None] = lambda: None) -> None:
        self._stream, self._progress = stream, progress
        self._held = b""  # the end of the last chunk, which may hold the first half of a constant
        self._in_string = False  # is the start of `_held` inside of a string?
        self._string_bytes = 0
        self._started = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def read(self, size: int = -1) -> bytes:
        """Up to about `size` further bytes; b'' at the end."""
        if size == 0:
            return b""
        while True:
            self._progress()
            if size < 0:
                size = BUFFER
            chunk = self._stream.read(size)
            if not self._started:
                chunk = _without_mark(chunk)
                self._started = True
            data = self._held + self._as_utf8(chunk)
            keep = len(data)
            if chunk:
                keep = _safe_end(data)
            ready, self._held = data[:keep], data[keep:]
            if ready or not chunk:
                return self._cleaned(ready)

    def _as_utf8(self, chunk: bytes) -> bytes:
        if chunk.isascii() and chunk and not self._decoder.getstate()[0]:
            return chunk
        text = self._decoder.decode(chunk, final=not chunk)
        try:
            return text.encode()
        except UnicodeEncodeError:
            return _NO_TEXT.sub(NOT_UTF8, text).encode()

    def _cleaned(self, data: bytes) -> bytes:
        starts_inside = self._in_string
        quotes = _count_quotes(data)
        if quotes:
            self._string_bytes = 0
        else:
            self._string_bytes += len(data) * starts_inside
        if self._string_bytes > MAX_TEXT:
            raise ValueError(f"a text of over {MAX_TEXT} bytes")
        self._in_string = starts_inside ^ bool(quotes & 1)
        if _LOW_HALF.search(data):
            data = _CHARACTERS.sub(_whole, data)
        if b"NaN" not in data and b"Infinity" not in data:
            return data
        prefix = b'"' if starts_inside else b""
        return _NOT_JSON.sub(_null, prefix + data)[len(prefix) :]


def _entries(
    events: Iterator[tuple[str, Any]], arrays: Collection[str], others: bool
) -> Iterator[tuple[str | None, Any]]:
    top = next(events)[0]
    if top == "start_array":
        for event, value in events:
            if event == "end_array":
                break
            yield None, _built(event, value, events)
    elif top == "start_map":
        for event, key in events:
            if event == "end_map":
                break
            event, value = next(events)
            if key in arrays and event == "start_array":
                for inner, item in events:
                    if inner == "end_array":
                        break
                    yield key, _built(inner, item, events)
            elif others:
                yield key, _built(event, value, events)
            else:
                _skip(event, events)
    for _ in events:  # the end of the file is checked as well
        pass


def _skip(event: str, events: Iterator[tuple[str, Any]]) -> None:
    depth = int(event in ("start_map", "start_array"))
    while depth:
        event = next(events)[0]
        if event in ("start_map", "start_array"):
            depth += 1
        elif event in ("end_map", "end_array"):
            depth -= 1


def _built(event: str, value: Any, events: Iterator[tuple[str, Any]]) -> Any:
    """One value from its events."""
    if event in _SCALARS:
        return value
    inside = _container(event)
    key: str = ""
    outer: list[tuple[Any, str]] = []  # the containers around `inside`, each with the key that was open in it
    for count, (event, value) in enumerate(events):
        if event == "map_key":
            key = value
        elif event in _SCALARS:
            if type(inside) is dict:
                inside[key] = value
            else:
                inside.append(value)
        elif event in ("end_map", "end_array"):
            if not outer:
                return inside
            inside, key = outer.pop()
        else:
            made = _container(event)
            deep = len(outer) + 1 >= MAX_DEPTH
            if deep:
                _skip(event, events)
                made = None
            if type(inside) is dict:
                inside[key] = made
            else:
                inside.append(made)
            if not deep:
                outer.append((inside, key))
                inside = made
        if count > MAX_EVENTS:
            raise ValueError(f"an entry of over {MAX_EVENTS} values")
    raise ValueError("it is cut off")


def _container(event: str) -> Any:
    if event == "start_map":
        return {}
    return []


def _null(match: re.Match[bytes]) -> bytes:
    token = match.group()
    if token.startswith(b'"'):
        return token
    return b"null"


def _whole(match: re.Match[bytes]) -> bytes:
    if len(match.group()) == _HALF_BYTES:
        return rb"\ufffd"
    return match.group()


def _safe_end(data: bytes) -> int:
    """Where to cut a chunk so that neither a constant nor an escaped character is cut in two."""
    end = max(0, len(data) - _LONGEST)
    for match in _CONSTANT.finditer(data, max(0, end - _LONGEST)):
        if match.start() < end < match.end():
            end = match.start()
    backslashes = end - len(data[:end].rstrip(b"\\"))
    end -= backslashes % 2
    for start in range(max(0, end - 2 * _HALF_BYTES), end):
        if data[start : start + 2] == b"\\u" and not _is_escaped(data, start):
            before = max(0, start - _HALF_BYTES)
            if _HIGH_HALF.fullmatch(data, before, start) and not _is_escaped(data, before):
                return before
            return start
    return end


def _is_escaped(data: bytes, at: int) -> bool:
    """Is the byte one that a backslash before it takes for itself?"""
    before = data[:at]
    return bool((at - len(before.rstrip(b"\\"))) % 2)


def _count_quotes(data: bytes) -> int:
    """Count the quotes that begin or end a string."""
    if b'\\"' in data:
        data = _ESCAPES.sub(b"", data)
    return data.count(b'"')


def _without_mark(chunk: bytes) -> bytes:
    if chunk.startswith(UTF16_MARKS):
        raise ValueError("its text is UTF-16; save it as UTF-8")
    return chunk.removeprefix(BOM)


def _cause(error: Exception) -> str:
    """yajl's message without its picture of the place."""
    if isinstance(error, UnicodeDecodeError):
        return "a text in it is not UTF-8"
    text = str(error)
    if error.args and isinstance(error.args[0], bytes):
        text = error.args[0].decode("utf-8", "replace")
    if "premature EOF" in text or "Incomplete" in text:
        return "it is cut off"
    if "overflow" in text:
        return "a number in it does not fit 64 bits"
    if "invalid character inside string" in text:
        return "a raw line break or control character in a text; write it as \\n or \\u00XX"
    lines = text.strip().splitlines() or [type(error).__name__]
    return one_line(lines[0], 120)
