"""Captions: cleaned, chosen among several, and extended by a phrase on the camera motion."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from schemas.config import Config
from schemas.keys import derive_seed
from schemas.records import Reason, SampleError, Stage
from transforms.motions.phrases import motion_phrase

# Format characters that carry meaning: the joiners of emoji and of Indic and Persian words, the controls of
# Egyptian hieroglyphs, and the visible signs of Arabic, Syriac and Kaithi numbers and verses
# (Prepended_Concatenation_Mark)
_KEPT_FORMATS = frozenset(
    "\u200c\u200d\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
) | frozenset(map(chr, range(0x13430, 0x13440)))
_BLANK = " \u200c\u200d\ufe0e\ufe0f"  # a text of joiners and variation selectors alone shows nothing
# The flag of a region such as England or Texas: a black flag, its code in tag characters, the end tag (UTS
# #51, ED-14a). Tag characters elsewhere are invisible text, and are dropped.
_REGION_FLAG = re.compile("(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f)")


class CaptionConfig(Config):
    """How KEY.txt comes from a sample's captions."""

    pick: Literal["first", "random"] = Field("first", description="which of several captions KEY.txt holds")
    max_length: int = Field(
        1000, ge=1, le=100_000, description="longest caption, characters; cut between words"
    )
    motion_phrases: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="probability of a phrase that describes the camera motion",
    )


def normalise(text: str, max_length: int = 1000) -> str:
    """Clean a caption to one line: no HTML entities, no control characters, single spaces, Unicode NFC.

    Entities are resolved twice, as CLIP does, because alt texts come escaped twice. The line is cut to
    `max_length` characters at the end of a word, or within a word only if the first one is too long. Returns
    '' if nothing is left.
    """
    text = _visible(html.unescape(html.unescape(text)))
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if not text.strip(_BLANK):
        return ""
    if len(text) <= max_length:
        return text
    cut = text[: max_length + 1].rpartition(" ")[0]
    return _visible((cut or text[:max_length]).rstrip())  # a cut within a flag leaves tag characters


def normalise_all(captions: Sequence[str], max_length: int) -> tuple[str, ...]:
    """Normalise captions and drop empty ones. Raises SampleError (caption, empty_caption) if none is left."""
    kept = tuple(clean for text in captions if (clean := normalise(text, max_length)))
    if not kept:
        raise SampleError(
            Stage.CAPTION, Reason.EMPTY_CAPTION, f"{len(captions)} captions, none with a visible character"
        )
    return kept


def choose(captions: Sequence[str], pick: str, *, seed: int, key: str) -> str:
    """Choose the caption of KEY.txt: the first, or one drawn by the seed of the sample."""
    if pick == "random":
        return captions[derive_seed(seed, key, "caption") % len(captions)]
    return captions[0]


def append(caption: str, phrase: str) -> str:
    """Append a phrase: "A dog." and "as the camera pans left" give "A dog, as the camera pans left.".

    After "!", "?" and "…" the phrase becomes a second sentence.
    """
    if caption.endswith(("!", "?", "…")):
        sentence = phrase.removeprefix("while ").removeprefix("as ")
        return f"{caption} {sentence[:1].upper()}{sentence[1:]}."
    stop = "." if caption.endswith(".") else ""
    return f"{caption.rstrip(' .,;:')}, {phrase}{stop}"


def add_motion_phrase(
    caption: str, motion: str, parameters: Mapping[str, Any], *, probability: float, seed: int, key: str
) -> tuple[str, str | None]:
    """Append the phrase of a drawn motion with the given probability -> caption, the phrase or None.

    The sample's own seed decides whether there is a phrase, and how it is worded. `motion` and `parameters`
    are those of the trajectory; a motion that has no phrase leaves the caption as it is.
    """
    if derive_seed(seed, key, "phrase") >= probability * 2.0**64:
        return caption, None
    phrase = motion_phrase(motion, parameters, derive_seed(seed, key, "wording"))
    if phrase is None:
        return caption, None
    return append(caption, phrase), phrase


def _visible(text: str) -> str:
    """Turn control characters to spaces and drop invisible ones, except those that carry meaning."""
    if text.isprintable():
        return text
    parts = _REGION_FLAG.split(text)
    parts[::2] = ["".join(map(_shown, part)) for part in parts[::2]]  # texts and flags take turns
    return "".join(parts)


def _shown(character: str) -> str:
    kind = unicodedata.category(character)
    if kind == "Cc":
        return " "
    is_invisible = kind == "Cs" or (kind == "Cf" and character not in _KEPT_FORMATS)
    if is_invisible:
        return ""
    return character
