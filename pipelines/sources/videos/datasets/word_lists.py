"""MSVD's captions, a pickle of ``{video id: [[word, ...], ...]}``, read without running it.

A pickle is a program. Its instructions are looked through first, and only those that build text, lists and
dicts are allowed. Then an unpickler loads it that can find no function at all.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Iterator
from typing import Any, NoReturn

from schemas.text import one_line

MAX_BYTES = 256 * 1024 * 1024  # of the file; MSVD's has 8 MB
MAX_WORDS = 50_000_000  # shared lists could stand for more words than the file has bytes

# Every instruction that makes plain data (PEP 3154 and before).
# Left out: GLOBAL, REDUCE, BUILD, INST, OBJ, EXT and PERSID.
_HARMLESS = (
    "PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 "
    "STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 "
    "UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 "
    "EMPTY_LIST APPEND APPENDS LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT DICT SETITEM SETITEMS "
    "MEMOIZE PUT BINPUT LONG_BINPUT GET BINGET LONG_BINGET"
)


def read_word_lists(data: bytes) -> dict[str, list[str]]:
    """Video id -> captions, the words joined by spaces, in the pickle's order.

    Text of Python 2 (bytes) is UTF-8, or Latin-1 where it is not. Raises ValueError, with one line, for a
    pickle that holds anything but such a dict; nothing in it was run then.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"{len(data)} bytes; the limit is {MAX_BYTES}")
    _check_instructions(data)
    try:
        loaded = _PlainUnpickler(io.BytesIO(data), encoding="bytes").load()
    except (
        pickle.UnpicklingError,
        ValueError,
        EOFError,
        IndexError,
        AttributeError,
        KeyError,
        TypeError,
        OverflowError,
    ) as error:
        raise ValueError(f"a broken pickle: {one_line(error)}") from None
    if not isinstance(loaded, dict):
        raise ValueError(
            f"holds a {type(loaded).__name__}; it must be a dict of video id -> list of captions"
        )
    room = [MAX_WORDS]
    return {
        _text(video, "a video id"): [_caption(c, video, room) for c in _list(captions, video)]
        for video, captions in loaded.items()
    }


class _PlainUnpickler(pickle._Unpickler):  # in Python: the one in C makes room for any memo number
    """Find no function and no object, whatever the pickle asks for: the second line of defence."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("asks for a persistent object")


def _check_instructions(data: bytes) -> None:
    """Raises ValueError at the first instruction that does not build plain data, or is cut off."""
    harmless = frozenset(_HARMLESS.split())
    for count, (name, argument, position) in enumerate(_instructions(data)):
        if name not in harmless:
            what = ""
            if argument is not None:
                what = f" {str(argument)[:80]!r}"
            raise ValueError(
                f"refused, and nothing in it was run: its instruction {name}{what} "
                f"at byte {position} is no plain data"
            )
        # The loader makes room up to this number, so a large one would take memory without data.
        if name in ("PUT", "BINPUT", "LONG_BINPUT") and argument > count:
            raise ValueError(f"refused, and nothing in it was run: memo number {argument} at byte {position}")


def _instructions(data: bytes) -> Iterator[tuple[str, Any, int]]:
    try:
        for opcode, argument, position in pickletools.genops(data):
            yield opcode.name, argument, position or 0
    except UnicodeDecodeError:
        return  # pickletools cannot show Python 2's text beyond ASCII; the unpickler checks it
    except (ValueError, IndexError) as error:
        raise ValueError(f"not a pickle, or cut off: {one_line(error, 120)}") from None


def _list(value: Any, video: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"video {video!r}: a list of captions is wanted, not a {type(value).__name__}")
    return list(value)


def _caption(words: Any, video: Any, room: list[int]) -> str:
    """One caption: a list of words, or (in repackaged files) the whole sentence."""
    if isinstance(words, str | bytes):
        return _text(words, "a caption")
    texts = _list(words, video)
    room[0] -= len(texts) + 1
    if room[0] < 0:
        raise ValueError(f"over {MAX_WORDS} words")
    return " ".join(_text(word, "a word") for word in texts)


def _text(value: Any, what: str) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, bytes):
        raise ValueError(f"{what} must be text, not a {type(value).__name__}")
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
