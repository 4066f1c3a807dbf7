"""Structure and prose of the code in figures, beside those of another commit.

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
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

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
        typing_only = {id(node) for node in _under_type_checking(module.tree)}
        for node in ast.walk(module.tree):
            if id(node) in typing_only:
                continue
            for name in _imported_names(node):
                inside_own_package = module.name.startswith(f"{name}.")
                if name in self.modules and name != module.name and not inside_own_package:
                    yield name

    @cached_property
    def circles(self) -> list[list[str]]:
        """Groups of modules that import each other in a circle (Tarjan's strongly connected components)."""
        return [sorted(group) for group in _components(self.arrows) if len(group) > 1]

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

    def long_lines(self) -> tuple[int, int]:
        """Lines over LINE characters, and all lines."""
        lines = [line for module in self.modules.values() for line in module.text.splitlines()]
        return sum(len(line) > LINE for line in lines), len(lines)

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
            yield from ((module.file, line, text) for line, text in _docstrings_and_comments(module))
        pages = [self.root / "README.md", *sorted((self.root / "docs").glob("*.md"))]
        for page in pages:
            yield page, 1, page.read_text()
        for recipe in sorted((self.root / "configs").rglob("*.yaml")):
            yield from _yaml_comments(recipe)

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
            f"lines over {LINE} characters": over,
            "lines": lines,
            "conditional expressions in 1,000 statements": round(1000 * conditional / statements, 1),
            "modules without a test of their name": len(self.untested()),
            "modules": len(self.modules),
            "words of the old voice in 10,000": round(1e4 * len(self.old_voice()) / words, 1),
        }


def _under_type_checking(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from ast.walk(node)


def _imported_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module is not None:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def _components(arrows: dict[str, set[str]]) -> list[list[str]]:
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for target in arrows[name]:
            if target not in index:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], index[target])
        if low[name] == index[name]:
            at = stack.index(name)
            found.append(stack[at:])
            del stack[at:]

    for name in arrows:
        if name not in index:
            visit(name)
    return found


def _docstrings_and_comments(module: Module) -> Iterator[tuple[int, str]]:
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(module.tree):
        if isinstance(node, owners) and (text := ast.get_docstring(node)):
            yield node.body[0].lineno, text
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.removeprefix("#").strip()


def _yaml_comments(file: Path) -> Iterator[tuple[Path, int, str]]:
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if line.lstrip().startswith("#"):
            yield file, number, line.lstrip("# ")


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
