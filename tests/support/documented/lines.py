"""The command lines that the project shows: in its pages, in the help of its commands, at the head of its configs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from zoetrope.cli import COMMANDS, main

ROOT = Path(__file__).parents[3]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
CONFIGS = tuple(sorted((ROOT / "configs").glob("*/*.yaml")))
FENCE = re.compile(r"^ *```([^\n]*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
PROGRAMS = "zoetrope|torchrun|make|pip|python|pytest|docker|gcloud|git|cd|export|uv|srun|sbatch|curl|hf"
STARTS = re.compile(rf"(?:{PROGRAMS})(?= |$)|[A-Z_]+=\S+$")
INLINE = re.compile(rf"`((?:{PROGRAMS}) [^`]+|benchmarks/[\w.]+\.sh)`")
IN_COMMENT = re.compile(rf"(?:^|Command +)\(?(?:one GPU: )?((?:{PROGRAMS}) .*)")
ONCE_MORE = re.compile(r"\bwith (source\.split=\S+) (output=[^\s,)]+)")


@dataclass(frozen=True)
class Line:
    """A command as it is written; a line that ends in a backslash is joined to the next."""

    text: str
    where: str  # the page, the config, or the command whose help shows it

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)


def all_lines() -> list[Line]:
    """Every different command, at the first place that shows it."""
    found: dict[str, Line] = {}
    for line in (*_of_pages(), *_of_configs(), *_of_helps()):
        found.setdefault(line.text, line)
    return list(found.values())


def command_blocks(text: str) -> Iterator[list[str]]:
    """The lines of each code block of a page whose language is none, bash or sh; scripts are left out."""
    for language, body in FENCE.findall(text):
        if language in ("", "bash", "sh") and not body.startswith("#!"):
            yield [line for line in joined(body).splitlines() if line.strip()]


def joined(text: str) -> str:
    """Join the lines that end in a backslash."""
    return re.sub(r"\s*\\\n[# ]*", " ", text)


def is_command(text: str) -> bool:
    """Does this line of a code block start a program?"""
    return STARTS.match(text.strip()) is not None


def _of_pages() -> Iterator[Line]:
    for page in PAGES:
        text, where = page.read_text(), str(page.relative_to(ROOT))
        for block in command_blocks(text):
            yield from (Line(_bare(line), where) for line in block if is_command(line))
        for found in INLINE.findall(FENCE.sub("", text)):
            yield Line(_bare(found.replace("\n", " ")), where)


def _of_configs() -> Iterator[Line]:
    for path in CONFIGS:
        where = str(path.relative_to(ROOT))
        comments = (line.lstrip("#").strip() for line in path.read_text().splitlines() if line[:1] == "#")
        last = None
        for text in joined("\n".join(comments)).splitlines():
            command = IN_COMMENT.match(text)
            if command:
                last = _bare(command[1].replace(" accumulate=8)", " accumulate=8"))
                yield Line(last, where)
            elif last is not None:  # "(and once more with source.split=val output=msvd/val/)"
                yield from (Line(_changed(last, changes), where) for changes in ONCE_MORE.findall(text))
            yield from (Line(_bare(found), where) for found in INLINE.findall(text))


def _changed(text: str, changes: tuple[str, ...]) -> str:
    for change in changes:
        name = change.partition("=")[0]
        text = re.sub(rf"\b{re.escape(name)}=\S+", change, text)
    return text


def _of_helps() -> Iterator[Line]:
    for name in ("", *COMMANDS):
        for text in joined(help_of(name)).splitlines():
            if text.startswith(("  zoetrope ", "  torchrun ")):
                yield Line(_bare(text), f"zoetrope {name} --help".replace("  ", " "))


def help_of(name: str) -> str:
    """The help of a command, or of all of them, as it is printed."""
    out = StringIO()
    with redirect_stdout(out):
        main([*name.split(), "--help"])
    return out.getvalue()


def _bare(text: str) -> str:
    """Without comments, and without a remark after two spaces or more."""
    text = re.split(r" +#| {2,}(?=[a-z(])", text.strip())[0]
    return re.sub(r" +", " ", text).strip()
