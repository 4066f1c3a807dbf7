"""Rules on captions. They know no language: they count words, letters, and what no sentence has."""

from __future__ import annotations

import re
import unicodedata
from typing import ClassVar

from pydantic import Field

from transforms.curation.rule import Look, Rule, When

# Scripts without spaces, of which each character counts as a word: Thai, Lao, Myanmar, Khmer, kana, Han
_UNSPACED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0edf\u1000-\u109f\u1780-\u17dd"
    "\u3041-\u309f\u30a0-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
)
_WORD = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])\w)+")
_JUNK = re.compile(
    r"""
      https?://\S+ | www\.\S+                                      # addresses
    | [\w.+-]+@[\w-]+(?:\.[\w-]+)+
    | </?[a-z][^<>]*>                                              # mark-up
    | [\w%()+-]+\.(?:jpe?g|png|gif|webp|bmp|tiff?|svg|avif|heic|mp4|pdf|html?|php|aspx?)\b   # file names
    | \b(?:img|dsc[fn]?|dscn|pict?|image|photo|screen ?shot|p)[ _-]?\d{3,}\w*   # names that cameras give
    | \b\d+\s?[x×]\s?\d+(?:\s?[x×]\s?\d+)?\s?(?:px|cm|mm|in)?\b    # sizes
    | \b(?=[0-9a-f-]*\d)[0-9a-f]{6,}(?:-[0-9a-f]{4,})*\b           # hexadecimal ids
    | \b\w*\d{4,}\w*\b                                             # long numbers
    | \w*_\w+                                                      # words_with_underscores
    """,
    re.IGNORECASE | re.VERBOSE,
)


class CaptionWords(Rule):
    """Words of the caption. CC12M keeps 3 to 256 (Changpinyo et al. 2021); ALIGN 3 to 20 (Jia et al. 2021).

    A word is a run of letters and digits; each character of a script without spaces counts as one.
    """

    name: ClassVar[str] = "caption_words"
    when: ClassVar[When] = When.CAPTION
    min: int = Field(3, ge=0, le=10_000, description="fewest words")
    max: int = Field(256, ge=1, le=10_000, description="most words")

    def score(self, look: Look) -> float:
        """The number of words."""
        return len(_WORD.findall(look.caption))


class CaptionCharacters(Rule):
    """Characters of the caption. LAION-400M drops captions of fewer than 5 (Schuhmann et al. 2021)."""

    name: ClassVar[str] = "caption_characters"
    when: ClassVar[When] = When.CAPTION
    min: int = Field(5, ge=0, le=100_000, description="fewest characters")
    max: int = Field(1000, ge=1, le=100_000, description="most characters")

    def score(self, look: Look) -> float:
        """The number of Unicode characters."""
        return len(look.caption)


class CaptionLetters(Rule):
    """Letters among the visible characters, of any script. Numbers, codes and rows of signs have few.

    After Gopher's rule on words without letters (Rae et al. 2021, table A1), on characters.
    """

    name: ClassVar[str] = "caption_letters"
    when: ClassVar[When] = When.CAPTION
    min: float = Field(0.6, ge=0, le=1, description="least share")

    def score(self, look: Look) -> float:
        """Characters of the Unicode categories L and M over characters that are no space."""
        visible = [character for character in look.caption if not character.isspace()]
        letters = sum(unicodedata.category(character)[0] in "LM" for character in visible)
        return letters / max(1, len(visible))


class CaptionRepetition(Rule):
    """Words that came before in the same caption: "wallpaper, wallpaper hd, best wallpaper".

    CC3M drops captions with "a high rate of repetition" (Sharma et al. 2018); Gopher has the same measure.
    """

    name: ClassVar[str] = "caption_repetition"
    when: ClassVar[When] = When.CAPTION
    max: float = Field(0.5, ge=0, le=1, description="largest share")

    def score(self, look: Look) -> float:
        """1 - distinct words / words, letter case ignored; 0 without words."""
        words = _WORD.findall(look.caption.casefold())
        if not words:
            return 0.0
        return 1 - len(set(words)) / len(words)


class CaptionJunk(Rule):
    """Addresses, mark-up, file names, names that cameras give, sizes, ids and long numbers.

    ALIGN names such alt texts ("1920x1080", "alt_img") as the reason for its rule on repeated ones.
    """

    name: ClassVar[str] = "caption_junk"
    when: ClassVar[When] = When.CAPTION
    max: float = Field(0.3, ge=0, le=1, description="largest share")

    def score(self, look: Look) -> float:
        """Visible characters in any of these over all visible characters."""
        junk = sum(len(found.replace(" ", "")) for found in _JUNK.findall(look.caption))
        return junk / max(1, len(look.caption.replace(" ", "")))


CAPTION_RULES = (CaptionWords, CaptionCharacters, CaptionLetters, CaptionRepetition, CaptionJunk)
