"""A folder in which the names of a documented command are small files of the right form.

`Place.prepare(text)` copies to a new folder what a command names, and nothing else. Each file or folder is made
once per session, mostly by the product's own commands.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

from documented.lines import ROOT
from documented.models import MODELS
from documented.pictures import PICTURES
from documented.videos import VIDEOS

MAKERS = {**PICTURES, **VIDEOS, **MODELS}
OTHER_SOURCES = (  # names that mean something else in some commands
    (
        " train ",
        {"cc12m": "clips", "coco": "clips", "cc3m": "clips", "pictures": "clips", "videos": "msrvtt/train"},
    ),
    ("^zoetrope retry ", {"clips": "failed", "OUTPUT": "failed"}),
    ("^zoetrope failures ", {"clips": "lost", "OUT": "lost", "bucket/clips": "lost"}),
    (
        "vatex",
        {"runs/pretrain/last": "runs/seven_centres/last"},
    ),  # its recipe has seven, the others have five
    (
        "",
        {
            "bucket/clips": "clips",
            "bucket/more": "coco",
            "bucket/a": "coco",
            "bucket/b": "cc3m",
            "OUT": "clips",
        },
    ),
    ("", {"monday": "coco", "tuesday": "cc3m", "OUTPUT": "clips"}),
    (
        " runs ",
        {"runs": "all_runs", "bucket/runs": "all_runs", "runs/pretrain": "runs/x", "runs/finetune": "runs/x"},
    ),
)
OUTPUT = re.compile(r"(?:\boutput=|(?:-o|--output|>>?) )([^\s']+)")
LARGE = 1_000_000  # bytes
PATHS = re.compile(r"[\w.~*{}/-]+")


class Place:
    """Makes files on demand. `serve(folder)` gives the address of a web server on loopback."""

    def __init__(self, folder: Path, serve: Callable[[Path], str]) -> None:
        self.folder = folder
        self.serve = serve
        self._made: dict[str, Path] = {}
        self._count = 0

    def made(self, name: str) -> Path:
        """The session's file or folder of this name; do not change it."""
        if name not in self._made:
            folder = self.folder / "made" / name.replace("/", "-")
            folder.mkdir(parents=True)
            MAKERS[name](self, folder)
            self._made[name] = folder
        return self._made[name] / name

    def prepare(self, text: str) -> Path:
        """A new folder with what a command names."""
        self._count += 1
        here = self.folder / f"{self._count:04d}"
        here.mkdir()
        (here / "configs").symlink_to(ROOT / "configs")
        for name, source in needed(text).items():
            self.put(source, here, name)
        return here

    def put(self, source: str, here: Path, name: str | None = None) -> None:
        """Copy what is made as `source`, and the files that come with it, to a folder; `name` renames it."""
        made = self.made(source)
        if name in (None, source):
            shutil.copytree(self._made[source], here, copy_function=_copy, dirs_exist_ok=True)
        else:
            shutil.copytree(made, here / name, copy_function=_copy, dirs_exist_ok=True)


def needed(text: str) -> dict[str, str]:
    """Map each name that a command reads to the name under which it is made."""
    sources: dict[str, str] = {name: name for name in MAKERS}
    for pattern, other in reversed(OTHER_SOURCES):
        if re.search(pattern, text):
            sources |= other
    written = [path.rstrip("/") + "/" for path in OUTPUT.findall(text)]
    paths = (path.rstrip("}") for path in PATHS.findall(OUTPUT.sub("", text)))
    read = [path for path in paths if "/" in path or "." in path or path.isupper()]
    read += [f"{module}.py" for module in re.findall(r"\b(\w+):\w", text)]
    return {
        name: source
        for name, source in sources.items()
        if any(_means(path, name) for path in read)
        and not any(f"{name}/".startswith(path) for path in written)
    }


def _copy(source: str, target: str) -> None:
    """Copy a small file, and link a large one: commands read checkpoints and never change them in place."""
    if os.path.exists(target):
        return
    if os.stat(source).st_size > LARGE:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def _means(path: str, name: str) -> bool:
    """Does a path of a command mean this file or folder, or something in it?"""
    return path.rstrip("/") == name or path.startswith(f"{name}/") or ("*" in path and fnmatch(name, path))
