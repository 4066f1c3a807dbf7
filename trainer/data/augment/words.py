"""Left and right in the caption of a mirrored clip: whole words, in the case that they have."""

from __future__ import annotations

import re

_SIDES = re.compile(
    r"\b(?:counter-?clockwise|anti-?clockwise|clockwise|(?:left|right)(?:wards?|most|hand)?)\b", re.IGNORECASE
)
# Words that are no sides: "he left the room", "right next to it". Such captions are not mirrored.
_OTHER_SENSES = re.compile(
    r"\bleft\s+(?:the|an?|his|her|its|their|my|him|them|it|alone|behind|over|out|off|open|home|town)\b"
    r"|\bright\s+(?:now|away|before|after|next|in\s+front|behind|above|below|under|over|at|up|here|there)\b"
    r"|\b(?:human|civil|all|copy)\s*rights?\b",
    re.IGNORECASE,
)


def can_be_mirrored(text: str) -> bool:
    """Do "left" and "right" name sides wherever they occur in a caption? The next word decides."""
    return _OTHER_SENSES.search(text) is None


def mirrored(text: str) -> str:
    """Exchange left and right, and clockwise and counter-clockwise."""
    return _SIDES.sub(_other_side, text)


def _other_side(match: re.Match[str]) -> str:
    word = match[0]
    lower = word.lower()
    if lower.startswith("left"):
        other = "right" + lower[4:]
    elif lower.startswith("right"):
        other = "left" + lower[5:]
    else:
        other = "clockwise"
        if lower == "clockwise":
            other = "counter-clockwise"
    if word.isupper():
        return other.upper()
    if word[0].isupper():
        return other.capitalize()
    return other
