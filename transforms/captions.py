"""Captions: made clean, chosen among several, and told what the camera does."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from schemas.config import Config
from schemas.keys import derive_seed
from schemas.records import Reason, SampleError, Stage
from transforms.motions.phrases import motion_phrase

# Invisible characters that carry meaning: the joiners of emoji and of Indic and Persian words
_JOINERS = "\u200c\u200d"


class CaptionConfig(Config):
    """How KEY.txt comes from a sample's captions."""

    pick: Literal["first", "random"] = Field(
        "first", description="which of several captions stands in KEY.txt"
    )
    max_length: int = Field(
        1000, ge=1, le=100_000, description="longest caption, characters; cut between words"
    )
    motion_phrases: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="probability that a phrase is appended that says what the camera does",
    )


def normalise(text: str, max_length: int = 1000) -> str:
    """One clean line: HTML entities resolved, no control characters, single spaces, Unicode NFC, at most `max_length`.

    Entities are resolved twice, as CLIP does, for alt texts come escaped twice. Cut at the last word that fits (within a word
    only if the first is too long). '' if nothing is left.
    """
    text = html.unescape(html.unescape(text))
    text = unicodedata.normalize(
        "NFC", "".join(_visible(c) for c in text) if not text.isprintable() else text
    )
    text = " ".join(text.split())
    if len(text) <= max_length:
        return text
    cut = text[: max_length + 1].rpartition(" ")[0]
    return (cut or text[:max_length]).rstrip()


def normalise_all(captions: Sequence[str], max_length: int) -> tuple[str, ...]:
    """Every caption that is not empty, normalised, in order. Raises SampleError (caption, empty_caption) if none is left."""
    kept = tuple(clean for text in captions if (clean := normalise(text, max_length)))
    if not kept:
        raise SampleError(
            Stage.CAPTION, Reason.EMPTY_CAPTION, f"{len(captions)} captions, none with a visible character"
        )
    return kept


def choose(captions: Sequence[str], pick: str, *, seed: int, key: str) -> str:
    """The caption that stands in KEY.txt: the first, or one drawn by the sample's own seed."""
    return captions[derive_seed(seed, key, "caption") % len(captions)] if pick == "random" else captions[0]


def append(caption: str, phrase: str) -> str:
    """ "A dog." and "as the camera pans left" -> "A dog, as the camera pans left."; after ! and ? a sentence of its own."""
    if caption.endswith(("!", "?", "…")):
        sentence = phrase.removeprefix("while ").removeprefix("as ")
        return f"{caption} {sentence[:1].upper()}{sentence[1:]}."
    stop = "." if caption.endswith(".") else ""
    return f"{caption.rstrip(' .,;:')}, {phrase}{stop}"


def add_motion_phrase(
    caption: str, motion: str, parameters: Mapping[str, Any], *, probability: float, seed: int, key: str
) -> tuple[str, str | None]:
    """Append the phrase of a drawn motion with the given probability -> caption, the phrase or None.

    The sample's own seed decides whether there is a phrase, and how it is worded. `motion` and `parameters` are those
    of the trajectory; a motion that has no phrase leaves the caption as it is.
    """
    if derive_seed(seed, key, "phrase") >= probability * 2.0**64:
        return caption, None
    phrase = motion_phrase(motion, parameters, derive_seed(seed, key, "wording"))
    if phrase is None:
        return caption, None
    return append(caption, phrase), phrase


def _visible(character: str) -> str:
    kind = unicodedata.category(character)
    if kind == "Cc":
        return " "
    return "" if kind == "Cs" or (kind == "Cf" and character not in _JOINERS) else character
