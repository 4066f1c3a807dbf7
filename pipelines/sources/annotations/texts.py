"""Captions in text files: one file per picture, one caption per line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from schemas.records import Reason, Reference, SampleError, Stage
from schemas.text import one_line
from storage.read import open_input

MAX_TEXT_BYTES = 1024 * 1024


def with_captions(reference: Reference) -> Reference:
    """The reference with the captions of its file, if they were left there.

    Raises SampleError (stage caption).
    """
    if reference.captions_file is None:
        return reference
    picture = reference.path or ""
    lines = _text_lines(picture, reference.captions_file)
    return replace(reference, captions=kept_captions(picture, lines), captions_file=None)


def kept_captions(picture: str, captions: Iterable[str]) -> tuple[str, ...]:
    """Captions without space around them and without empty ones.

    Raises SampleError (caption, empty_caption) if none is left.
    """
    kept = tuple(stripped for caption in captions if (stripped := caption.strip()))
    if not kept:
        raise SampleError(Stage.CAPTION, Reason.EMPTY_CAPTION, picture)
    return kept


def _text_lines(picture: str, text: str) -> list[str]:
    try:
        with open_input(text) as stream:
            data = stream.read(MAX_TEXT_BYTES + 1)
    except FileNotFoundError:
        detail = f"{picture}: no {text.rpartition('/')[2]} in its folder, and no row in a table"
        raise SampleError(Stage.CAPTION, Reason.MISSING_CAPTION, detail) from None
    except OSError as error:  # one file; the source has looked for the folder
        raise SampleError(Stage.CAPTION, Reason.UNREADABLE, one_line(error)) from None
    if len(data) > MAX_TEXT_BYTES:
        raise SampleError(Stage.CAPTION, Reason.TOO_LARGE, f"{text}: over {MAX_TEXT_BYTES} bytes")
    try:
        return data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise SampleError(Stage.CAPTION, Reason.NOT_UTF8, f"{text}: byte {error.start}") from None
