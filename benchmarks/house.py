"""Structure and prose of the code in figures, next to those of another commit.

    python -m benchmarks.house                    a table of the figures here
    python -m benchmarks.house --before 60a681f   with a column for that commit; JSON into benchmarks/results/house.json
    python -m benchmarks.house --voice            every place where the prose leaves the house style; exit 1 if there is one

`tests/test_house.py` fails on a circle of imports, an arrow that points upwards, or a folder that has grown
too full.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.import_graph import components, imported_names, under_type_checking
from benchmarks.prose import (
    MOST_WORDS,
    OLD_VOICE_RX,
    comment_lines,
    docstrings_and_comments,
    long_sentences,
    yaml_comments,
)

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "house.json"
LAYERS = (  # from the ground up; packages of one layer never import each other
    ("schemas",),
    ("storage",),
    ("transforms",),
    ("trainer", "pipelines"),
    ("preview",),
    ("lab",),
    ("zoetrope",),
    ("clusters", "runners"),
)
PACKAGES = tuple(name for layer in LAYERS for name in layer)
LEVEL = {name: level for level, layer in enumerate(LAYERS) for name in layer}
MOST_FILES = 14  # in one folder, `__init__.py` not counted
LINE = 110  # characters
LONG_LINE, LONG_FUNCTION, LONG_FILE = 100, 40, 300  # characters, lines, lines: counted, not forbidden
STORE_KINDS = {"mp4", "still"}


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name, its text and its syntax tree."""

    name: str
    file: Path
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """The top-level package."""
        return self.name.partition(".")[0]


class House:
    """The source files of a checkout."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.modules = {module.name: module for module in self._read()}

    def _read(self) -> Iterator[Module]:
        for package in PACKAGES:
            for file in sorted((self.root / package).rglob("*.py")):
                relative = file.relative_to(self.root).with_suffix("")
                text = file.read_text()
                yield Module(".".join(relative.parts).removesuffix(".__init__"), file, text, ast.parse(text))

    @cached_property
    def arrows(self) -> dict[str, set[str]]:
        """Map each module to the modules of ours that it imports, also inside functions."""
        return {name: set(self._imports(module)) for name, module in self.modules.items()}

    def _imports(self, module: Module) -> Iterator[str]:
        typing_only = {id(node) for node in under_type_checking(module.tree)}
        for node in ast.walk(module.tree):
            if id(node) in typing_only:
                continue
            for name in imported_names(node):
                inside_own_package = module.name.startswith(f"{name}.")
                if name in self.modules and name != module.name and not inside_own_package:
                    yield name

    @cached_property
    def circles(self) -> list[list[str]]:
        """Groups of modules that import each other in a circle (Tarjan's strongly connected components)."""
        return [sorted(group) for group in components(self.arrows) if len(group) > 1]

    @cached_property
    def upward(self) -> list[tuple[str, str]]:
        """Arrows from a package to one of a higher layer, or to another one of the same layer."""
        found = []
        for name, targets in self.arrows.items():
            for target in sorted(targets):
                here, there = name.partition(".")[0], target.partition(".")[0]
                if here != there and LEVEL[there] >= LEVEL[here]:
                    found.append((name, target))
        return found

    @cached_property
    def folders(self) -> Counter[str]:
        """Files in each folder, `__init__.py` not counted."""
        files = (module.file for module in self.modules.values() if module.file.name != "__init__.py")
        return Counter(str(file.parent.relative_to(self.root)) for file in files)

    def calling(self, pattern: str, *, without: tuple[str, ...] = ()) -> list[str]:
        """Modules whose text matches, less those whose name begins with an entry of `without`."""
        rx = re.compile(pattern)
        return [
            n for n, module in self.modules.items() if rx.search(module.text) and not n.startswith(without)
        ]

    def naming_stores(self) -> list[str]:
        """Modules that compare with, or choose by, the name of a kind of store."""
        found = []
        for name, module in self.modules.items():
            texts = [n.value for n in ast.walk(module.tree) if isinstance(n, ast.Constant)]
            uses_store = re.search(r"\bstore\b", module.text) is not None
            if uses_store and STORE_KINDS & {text for text in texts if isinstance(text, str)}:
                found.append(name)
        return found

    def long_lines(self, most: int = LINE) -> tuple[int, int]:
        """Lines over `most` characters, and all lines."""
        lines = [line for module in self.modules.values() for line in module.text.splitlines()]
        return sum(len(line) > most for line in lines), len(lines)

    def long_functions(self) -> int:
        """Functions of more than LONG_FUNCTION lines, with their signature and docstring."""
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        nodes = [node for module in self.modules.values() for node in ast.walk(module.tree)]
        lengths = [(n.end_lineno or n.lineno) - n.lineno + 1 for n in nodes if isinstance(n, functions)]
        return sum(length > LONG_FUNCTION for length in lengths)

    def long_files(self) -> int:
        """Files of more than LONG_FILE lines."""
        return sum(module.text.count("\n") > LONG_FILE for module in self.modules.values())

    def fan_out(self) -> tuple[int, int]:
        """The modules of ours that a module imports: 90th percentile, and the most."""
        counts = sorted(map(len, self.arrows.values()))
        return counts[9 * len(counts) // 10], counts[-1]

    def ternaries(self) -> tuple[int, int]:
        """Conditional expressions, and statements."""
        nodes = [node for module in self.modules.values() for node in ast.walk(module.tree)]
        return sum(isinstance(n, ast.IfExp) for n in nodes), sum(isinstance(n, ast.stmt) for n in nodes)

    def untested(self) -> list[str]:
        """Modules without a test file of their own name in the folder of tests that mirrors theirs.

        A line in the README of that folder, or in the docstring of the package, may instead say what covers a
        module.
        """
        found = []
        for name, module in self.modules.items():
            if module.file.name in ("__init__.py", "__main__.py"):
                continue
            folder = self.root / "tests" / module.file.parent.relative_to(self.root)
            own = folder / f"test_{module.file.stem}.py"
            if not own.exists() and not self._covered(folder, module):
                found.append(name)
        return found

    def _covered(self, folder: Path, module: Module) -> bool:
        """Does a line of the tests' README, or of the package's docstring, say which test covers the module?"""
        notes = folder / "README.md"
        lines = notes.read_text().splitlines() if notes.exists() else []
        lines += (
            ast.get_docstring(ast.parse((module.file.parent / "__init__.py").read_text())) or ""
        ).splitlines()
        stem = re.compile(rf"\b{module.file.stem}(\.py)?\b")
        return any(
            stem.search(line) and re.search(r"\b(test_\w+|tests?|tested|covered?s?)\b", line)
            for line in lines
        )

    def prose(self) -> Iterator[tuple[Path, int, str]]:
        """Docstrings, comments and pages: file, line, text."""
        for module in self.modules.values():
            yield from ((module.file, *at) for at in docstrings_and_comments(module.text, module.tree))
        pages = [self.root / "README.md", *sorted((self.root / "docs").glob("*.md"))]
        for page in pages:
            yield page, 1, page.read_text()
        for recipe in sorted((self.root / "configs").rglob("*.yaml")):
            yield from yaml_comments(recipe)

    def comments(self) -> int:
        """Lines that hold a comment."""
        return sum(comment_lines(module.text) for module in self.modules.values())

    def old_voice(self) -> list[str]:
        """Places where the prose leaves the house style: ``file:line: words``."""
        found = []
        for file, line, text in self.prose():
            for match in OLD_VOICE_RX.finditer(text):
                at = line + text.count("\n", 0, match.start())
                words = text[max(0, match.start() - 30) : match.end() + 30].replace("\n", " ")
                found.append(f"{file.relative_to(self.root)}:{at}: ...{words}...")
        return found

    def figures(self) -> dict[str, int | float | str]:
        """The table."""
        over, lines = self.long_lines()
        fan_out, widest = self.fan_out()
        conditional, statements = self.ternaries()
        words = sum(len(text.split()) for _, _, text in self.prose())
        folder, most = self.folders.most_common(1)[0]
        stacks = self.calling(r"\bimport fsspec\b"), self.calling(r"beam\.io\.filesystems import|BeamFiles\b")
        commands = ("zoetrope.", "clusters", "runners")
        return {
            "files in the fullest folder": most,
            "the fullest folder": folder,
            "circles of imports": len(self.circles),
            "arrows that point upwards": len(self.upward),
            "storage stacks (fsspec, Beam)": sum(map(bool, stacks)),
            "modules that lock (flock or lease)": len(self.calling(r"\bLOCK_EX\b|class _?Lease\b")),
            "modules that open a video": len(self.calling(r"\bav\.open\(")),
            "modules that keep an ordered pool": len(self.calling(r"deque\[[^\n]*(?:Future|_Call)")),
            "modules outside the command layer that parse arguments": len(
                self.calling(r"ArgumentParser\(|Parser\(prog", without=commands)
            ),
            "modules that know a kind of store by name": len(self.naming_stores()),
            "modules that name a metric": len(self.calling(r"[\"']MedianR|[\"']R1[\"']|[\"']MdR")),
            "modules that a module imports, 90th percentile": fan_out,
            "modules that a module imports, the most": widest,
            f"functions over {LONG_FUNCTION} lines": self.long_functions(),
            f"files over {LONG_FILE} lines": self.long_files(),
            f"lines over {LINE} characters": over,
            f"lines over {LONG_LINE} characters": self.long_lines(LONG_LINE)[0],
            "lines": lines,
            "lines with a comment, percent": round(100 * self.comments() / lines, 1),
            f"sentences over {MOST_WORDS} words": sum(
                len(long_sentences(text)) for file, _, text in self.prose() if file.suffix != ".yaml"
            ),
            "conditional expressions in 1,000 statements": round(1000 * conditional / statements, 1),
            "modules without a test of their name": len(self.untested()),
            "modules": len(self.modules),
            "words of the old voice in 10,000": round(1e4 * len(self.old_voice()) / words, 1),
        }


def _house_at(commit: str, folder: str) -> House:
    """The source files of another commit, unpacked into a folder."""
    done = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return House(Path(folder))


def main(argv: list[str] | None = None) -> int:
    """Print the table, or the places of the old voice."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.house", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--before", metavar="COMMIT", help="a commit to show the figures of as well")
    parser.add_argument(
        "--voice", action="store_true", help="list the places where the prose leaves the style"
    )
    options = parser.parse_args(argv)
    house = House()
    if options.voice:
        places = house.old_voice()
        print(*places, sep="\n")
        return int(bool(places))
    columns = {"here": house.figures()}
    if options.before:
        with tempfile.TemporaryDirectory() as folder:
            columns = {f"at {options.before}": _house_at(options.before, folder).figures(), **columns}
        RESULTS.write_text(json.dumps(columns, indent=1) + "\n")
    width = max(map(len, columns["here"]))
    print(" " * width, *(f"{name:>20}" for name in columns))
    for row in columns["here"]:
        print(f"{row:{width}}", *(f"{column[row]!s:>20}" for column in columns.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
