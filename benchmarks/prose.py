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
MOST_WORDS = 25  # of a sentence; counted, not forbidden
CODE_RX = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
BREAK_RX = re.compile(r" *(?:[-*] |\d+\. |\w[\w, ]*: )")  # an item of a list, or a parameter with its meaning
NO_PROSE_RX = re.compile(r"^ *[|#]|\S {2,}\S")  # a table, a heading, columns
END_RX = re.compile(r"(?<=[.!?])\s+")


def docstrings_and_comments(text: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of each docstring and each comment of a source file."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, owners) and (docstring := ast.get_docstring(node)):
            yield node.body[0].lineno, docstring
    for token in _comments(text):
        yield token.start[0], token.string.removeprefix("#").strip()


def comment_lines(text: str) -> int:
    """The number of lines of a source file that hold a comment."""
    return len({token.start[0] for token in _comments(text)})


def _comments(text: str) -> Iterator[tokenize.TokenInfo]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return (token for token in tokens if token.type == tokenize.COMMENT)


def yaml_comments(file: Path) -> Iterator[tuple[Path, int, str]]:
    """Yield (file, line, text) of each comment of a recipe."""
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if line.lstrip().startswith("#"):
            yield file, number, line.lstrip("# ")


def long_sentences(text: str, most: int = MOST_WORDS) -> list[str]:
    """Sentences of over `most` words. Code, tables, headings and layouts in columns are no sentences."""
    found = []
    for paragraph in _paragraphs(text):
        for sentence in END_RX.split(paragraph):
            if len(sentence.split()) > most:
                found.append(sentence)
    return found


def _paragraphs(text: str) -> Iterator[str]:
    """Yield paragraphs and items of lists, each as one line."""
    lines: list[str] = []
    for line in [*CODE_RX.sub("", text).splitlines(), ""]:
        if not line.strip() or BREAK_RX.match(line):
            yield " ".join(lines)
            lines = []
        if line.strip() and not NO_PROSE_RX.search(line):
            lines.append(line.strip())
    yield " ".join(lines)
