"""The prose in code: docstrings, comments, and words that mark a style which the house has left."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

OLD_VOICE = (
    r"\banew\b",
    r"\btold\b",
    r"\btells\b",
    r"\blies\b",
    r"\bstands\b",
    r"\bgoes on\b",
    r"\bbeside\b",
    r"\bat hand\b",
    r"\bof one's own\b",
    r"(?-i:(?:^|(?<=[.!] ))What\b(?! {2})(?![^.]*\?))",
)
OLD_VOICE_RX = re.compile("|".join(OLD_VOICE), re.IGNORECASE | re.MULTILINE)


def docstrings_and_comments(text: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of each docstring and each comment of a source file."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, owners) and (text := ast.get_docstring(node)):
            yield node.body[0].lineno, text
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.removeprefix("#").strip()


def yaml_comments(file: Path) -> Iterator[tuple[Path, int, str]]:
    """Yield (file, line, text) of each comment of a recipe."""
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if line.lstrip().startswith("#"):
            yield file, number, line.lstrip("# ")
