"""Globs: where one begins in a path, and the paths that it matches."""

from __future__ import annotations

import os
import re

from storage.uris import GLOB_CHARACTERS, is_glob


def split_at_glob(pattern: str) -> tuple[str, str]:
    """Split a path or URI into (folder without glob characters, glob relative to it).

    Returns ('', '') for a path that names one file: a local name may hold such characters.
    """
    if not any(character in pattern for character in GLOB_CHARACTERS) or not is_glob(pattern):
        return "", ""
    scheme, separator, path = pattern.rpartition("://")
    parts = path.split("/")
    for position, part in enumerate(parts):
        head = scheme + separator + "/".join(parts[:position])
        literal = scheme + separator + "/".join(parts[: position + 1])
        has_glob = any(character in part for character in GLOB_CHARACTERS)
        if has_glob and (separator or not os.path.lexists(literal)):
            return head or "/", "/".join(parts[position:])
    return "", ""


def glob_regex(pattern: str) -> str:
    """A regular expression that matches the paths of a glob, in the syntax of `re`.

    ``**/`` also matches no folder at all; a bracket that is not closed is a plain character.
    """
    regex, position = "", 0
    while position < len(pattern):
        rest = pattern[position:]
        bracket = re.match(r"\[([!^]?)(\]?[^\]]*)\]", rest)
        if rest.startswith("**/"):
            regex, position = regex + "(?:.*/)?", position + 3
        elif rest.startswith("**"):
            regex, position = regex + ".*", position + 2
        elif rest[0] == "*":
            regex, position = regex + "[^/]*", position + 1
        elif rest[0] == "?":
            regex, position = regex + "[^/]", position + 1
        elif bracket:
            members = (
                bracket[2].replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace("^", "\\^")
            )
            regex, position = regex + f"[{'^' * bool(bracket[1])}{members}]", position + bracket.end()
        else:
            regex, position = regex + re.escape(rest[0]), position + 1
    return f"(?s:{regex})"
