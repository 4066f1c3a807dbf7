"""File names as people and file systems have them: case, Unicode form, slashes and endings differ."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator


def folded(name: str) -> str:
    """A name without differences that file systems drop: case, NFC or NFD, backslashes, ``./`` in front."""
    return unicodedata.normalize("NFC", name.replace("\\", "/").removeprefix("./")).casefold()


def stem(name: str) -> str:
    """A name without its ending; a leading dot begins no ending."""
    base = name.rpartition("/")[2]
    ending = base.rpartition(".")[2]
    if "." in base.lstrip("."):
        return name[: -len(ending) - 1]
    return name


class NameIndex:
    """Find files by the name that an index gives them.

    In order: the path itself, the folded path, the path without folders, and, for a name without an ending,
    the same without endings. A name that fits several files fits none.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = dict.fromkeys(paths)
        self._levels: list[dict[str, str | None]] = []  # made at the first name that is not a path itself

    def get(self, name: str) -> str | None:
        """The path of a name; None if there is none, or no single one."""
        if name in self._paths:
            return name
        if not self._levels:
            self._fill()
        path = folded(name)
        base = path.rpartition("/")[2]
        for level, key in zip(self._levels, (path, base, path, base), strict=True):
            if key in level:
                return level[key]
        return None

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def _fill(self) -> None:
        self._levels = [{}, {}, {}, {}]
        for path in self._paths:
            whole = folded(path)
            base = whole.rpartition("/")[2]
            for level, key in zip(self._levels, (whole, base, stem(whole), stem(base)), strict=True):
                level[key] = path if key not in level else None
