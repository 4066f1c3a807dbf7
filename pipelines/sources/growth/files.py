"""Find the files of a known plan among those that a source has now."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pipelines.sources.growth.known import changed
from storage.find import FileInfo


def relative_names(files: Sequence[FileInfo]) -> dict[str, str]:
    """Path -> name relative to the common folder of all, so that a corpus may be moved."""
    # commonpath would mangle gs://
    prefix = os.path.commonprefix([file.path for file in files])  # noqa: RUF071
    folder = prefix.rpartition("/")[0]
    return {file.path: file.path[len(folder) :].lstrip("/") for file in files}


def find_known(files: Sequence[FileInfo], names: Sequence[str], field: str) -> dict[str, FileInfo]:
    """Name -> file, of names relative to a folder that is not known any more.

    A further file may have moved the common folder up. Raises ConfigError if a file has gone.
    """
    if not names:
        return {}
    by_path = {file.path: file for file in files}
    ending = "/" + names[0]
    folders = [path.removesuffix(ending) for path in by_path if path.endswith(ending)]
    best, most = "", -1
    for folder in folders:
        found = sum(f"{folder}/{name}" in by_path for name in names)
        if found > most:
            best, most = folder, found
    gone = next((name for name in names if f"{best}/{name}" not in by_path), None)
    if gone is not None:
        raise changed(field, gone, "it has gone")
    return {name: by_path[f"{best}/{name}"] for name in names}
