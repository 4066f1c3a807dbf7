"""The layout of help texts: every line fits the terminal, and examples can be copied as they are shown."""

from __future__ import annotations

import argparse
import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby

LONGEST = 100  # characters of a line, also on a wider terminal
CONTINUED = 6  # spaces before the further lines of a command or a field
_USAGE_PART = re.compile(r"\[[^\]]*\](?: \.\.\.)?|\S+")
_SHELL_WORD = re.compile(r"(?:[^\s'\"]|'[^']*'|\"[^\"]*\")+")
_COMMAND = re.compile(r" +(?:zoetrope|torchrun) ")
_ROW = re.compile(r"( +\S+ {2,})(\S.*)")


class HelpLayout(argparse.HelpFormatter):
    """A formatter that wraps a usage, paragraphs, tables, fields and examples to the terminal's width."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._width = min(self._width, LONGEST)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in wrapped(text, width - len(indent)))

    def _format_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None,
    ) -> str:
        """Wrap a usage that a command words itself, between its parts in brackets."""
        if usage is None:
            return super()._format_usage(usage, actions, groups, prefix)
        head = f"{prefix or 'usage: '}{self._prog} "
        parts = _USAGE_PART.findall(usage.removeprefix(self._prog))
        return "\n".join(_joined(parts, self._width, head, " " * len(head))) + "\n\n"


def fitted(text: str) -> str:
    """Return a help text with lines for this terminal."""
    return "\n".join(wrapped(text, min(shutil.get_terminal_size().columns - 2, LONGEST)))


def wrapped(text: str, width: int) -> Iterator[str]:
    """Yield the lines of a help text, at most `width` characters each where a word allows it.

    Lines that begin with a space keep their indentation: commands continue with a backslash, rows of a table
    below their last column. Other lines are joined to paragraphs.
    """
    lines = text.replace("\\\n", " ").splitlines()
    for is_prose, group in groupby(lines, key=_is_prose):
        if is_prose:
            yield from _Wrapper(width).wrap(" ".join(group))
        else:
            for line in group:
                yield from _of_one_line(line, width)


class _Wrapper(textwrap.TextWrapper):
    """Breaks lines at spaces and after the bars of ``a|b``. Hyphens belong to words: ``--config``."""

    wordsep_simple_re = re.compile(r"(\s+|(?<=\|))")

    def __init__(self, width: int, first: str = "", more: str = "") -> None:
        super().__init__(width, first, more, break_long_words=False, break_on_hyphens=False)


def _is_prose(line: str) -> bool:
    return bool(line) and not line.startswith(" ")


def _of_one_line(line: str, width: int) -> list[str]:
    if not line.strip():
        return [""]
    own = line[: len(line) - len(line.lstrip())]
    if _COMMAND.match(line):
        more = " " * CONTINUED
        lines = _joined(_arguments(line), width - 2, own, more)  # a space and a backslash follow
        return [f"{each} \\" for each in lines[:-1]] + lines[-1:]
    row = _ROW.fullmatch(line)
    if row is None:
        return _Wrapper(width, own, own).wrap(line.strip())
    first, rest = row.groups()
    more = " " * len(first)
    if rest.startswith("("):  # a field, its type and default
        more = " " * CONTINUED
    return _Wrapper(width, first, more).wrap(rest)


def _arguments(command: str) -> list[str]:
    """Split a command where its lines may end: an option stays with its value."""
    parts: list[str] = []
    for word in _SHELL_WORD.findall(command):
        if parts and parts[-1].startswith("-") and " " not in parts[-1] and not word.startswith("-"):
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    return parts


def _joined(words: list[str], width: int, first: str, more: str) -> list[str]:
    """Join words with spaces to lines that open with `first`, then with `more`. No word is broken."""
    lines, line = [], first + words[0]
    for word in words[1:]:
        if len(line) + 1 + len(word) > width:
            lines.append(line)
            line = more + word
        else:
            line += f" {word}"
    return [*lines, line]
