"""The names of motions and how they combine.

`a+b`  both at once: b moves inside a's view
`a>b`  one after the other: b sets off where a has ended
`a|b`  two shots of the same picture with a cut between them

`+` binds closest, then `>`, then `|`: in `zoom_in+crop_jitter>pan_left|held` the first shot has two steps.
Shots share the clip evenly, and steps share their shot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from schemas.errors import ConfigError

AT_ONCE, THEN, CUT = "+", ">", "|"
OPERATORS = re.compile(r"[+>|]")


@dataclass(frozen=True)
class Piece:
    """One motion of a combination, and when it moves."""

    name: str  # as written: a built-in motion, or module:name
    shot: int  # 0 for the first
    start: float  # of the shot, 0 to 1; before it the motion rests at its start
    end: float  # of the shot; after it the motion rests at its end


def parse(name: str) -> list[Piece]:
    """Return the pieces of a name, in order. Raises ConfigError, one line."""
    if not isinstance(name, str) or not all(piece.strip() for piece in OPERATORS.split(name)):
        raise ConfigError(
            f"motion {name!r}: write a motion's name, or several joined by '+' (at once), "
            "'>' (one after the other) or '|' (a cut), e.g. rotate_cw+zoom_in or zoom_in>pan_left"
        )
    pieces: list[Piece] = []
    for shot, words in enumerate(name.split(CUT)):
        steps = words.split(THEN)
        for step, together in enumerate(steps):
            start, end = step / len(steps), (step + 1) / len(steps)
            pieces += [Piece(word.strip(), shot, start, end) for word in together.split(AT_ONCE)]
    return pieces


def canonical(name: str) -> str:
    """Return the name without spaces, as `KEY.json` holds it."""
    return "".join(name.split())


def labels(names: list[str]) -> list[str]:
    """Return the prefix of each motion's parameters: its name, or name_2 if the name occurs a second time."""
    found: list[str] = []
    for name in names:
        label, count = name, 1
        while label in found:
            count += 1
            label = f"{name}_{count}"
        found.append(label)
    return found


def shot_lengths(frames: int, shots: int) -> list[int]:
    """Return the frames of each shot. Where they do not divide evenly, the first shots have one more."""
    return [frames // shots + (shot < frames % shots) for shot in range(shots)]
