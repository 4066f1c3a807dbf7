"""Files as paths on this machine, for libraries that open a file by its name."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fsspec.spec import AbstractFileSystem

from storage.login import as_os_error, filesystem
from storage.read import NOT_REGULAR
from storage.uris import join, local_path, name_of


@contextmanager
def local_copy(uri: str, names: Sequence[str] | None = None) -> Iterator[Path]:
    """A file or folder as a local path: itself if it is local, else a copy that is removed at the end.

    `names` are the files of a folder to copy; None copies all. Raises OSError that names what cannot be read.
    """
    here = local_path(uri)
    if here is not None:
        for path in [os.path.join(here, name) for name in names or ()] or [here]:
            check_regular(path)
        yield Path(here)
        return
    files, path = filesystem(uri)
    with tempfile.TemporaryDirectory(prefix="zoetrope-") as temporary:
        target = Path(temporary) / name_of(path)
        with as_os_error(uri):
            _copy(files, path, target, names)
        yield target


def _copy(files: AbstractFileSystem, path: str, target: Path, names: Sequence[str] | None) -> None:
    if names is None and files.isfile(path):
        files.get_file(path, str(target))
        return
    base = path.rstrip("/") + "/"
    if names is None:
        names = [name.removeprefix(base) for name in files.find(path)]
    target.mkdir()
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        files.get_file(join(path, name), str(target / name))


def check_regular(path: str | Path) -> None:
    """Raise OSError for a local pipe, socket or device, before a library opens it by its name.

    A missing file passes: the library that opens it says so.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, NOT_REGULAR, str(path))
