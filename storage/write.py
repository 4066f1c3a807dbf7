"""Write files by path or URI: create, replace, move, upload and remove.

A file is whole under its name, or not there. On a disk its bytes and its name have reached the disk (fsync)
before a function returns. An object appears when its upload ends, but a folder of objects appears one by one.
So a folder that must be whole has a file without which it does not count. That file is uploaded last and
removed first (`written_folder`, `remove_folder`).
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self, cast

from storage.folders import iter_below
from storage.login import GOOGLE, as_os_error, filesystem
from storage.read import file_size
from storage.remote.upload import Upload
from storage.uris import join, local_path, scheme_of

REMOVALS_AT_ONCE = 16  # each waits for its store most of the time
# Of a folder that holds something, has gone, is a link or a file, or is a mount point.
STAYS = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.ENOTDIR, errno.EBUSY)


class NewFile(Protocol):
    """A file that is being written. It counts once `close` has returned."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Append bytes. Raises OSError that names the file."""

    def close(self) -> None:
        """Complete the file. Raises OSError that names it; then no whole file is under the name."""

    def discard(self) -> None:
        """Give the file up, in whatever state it is.

        An object does not appear; a local file may be left in part.
        """

    def __enter__(self) -> Self:
        """Closes the file if the block ends well, and discards it otherwise."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def create_file(path: str) -> NewFile:
    """Open a new file for writing, with its folders. Nothing is compressed."""
    here = local_path(path)
    if here is None:
        return Upload(path)
    os.makedirs(os.path.dirname(here), exist_ok=True)
    return _LocalFile(here)


def as_stream(file: NewFile) -> IO[bytes]:
    """The same file, for libraries that ask for a stream."""
    return cast("IO[bytes]", file)


class _LocalFile(io.BufferedWriter):
    """A file whose bytes reach the disk when it is closed."""

    def __init__(self, path: str) -> None:
        super().__init__(io.FileIO(path, "wb"))

    def close(self) -> None:
        if not self.closed:
            try:
                self.flush()
                os.fsync(self.fileno())
            finally:
                super().close()

    def discard(self) -> None:
        if not self.closed:
            with suppress(OSError):  # the disk is full
                self.flush()
            with suppress(OSError):
                super().close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()


def write_bytes(uri: str, data: bytes) -> None:
    """Write a small file whole or not at all: readers see the old one or the new one.

    Raises OSError, which names it.
    """
    here = local_path(uri)
    if here is None:
        files, path = filesystem(uri)
        with as_os_error(uri):
            files.pipe_file(path, data)
        return
    partial = partial_name(here)
    # The bytes reach the disk before the rename, and the rename (an entry of the folder) before the return.
    try:
        with create_file(partial) as stream:
            stream.write(data)
        os.replace(partial, here)
    except OSError:
        Path(partial).unlink(missing_ok=True)
        raise
    flush_to_disk(os.path.dirname(here))


def partial_name(path: str) -> str:
    """A hidden temporary name in the same folder, different in every call."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.{uuid.uuid4().hex[:8]}.partial")


def move_file(source: str, target: str, size: int | None = None) -> None:
    """Rename one file over whatever is at the target, in one step where the store can (disks, gs://).

    With `size`, a source that is gone is no error if the target has that many bytes. Then somebody else has
    moved it, or an earlier request did, whose answer was lost. Raises OSError that names a file.
    """
    try:
        here = local_path(target)
        if here is not None:
            _rename(local_path(source) or source, here)
        else:
            _move_object(source, target)
    except FileNotFoundError:
        if size is None or file_size(target) != size:
            raise


def _rename(source: str, target: str) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    os.replace(source, target)
    flush_to_disk(os.path.dirname(target))


def _move_object(source: str, target: str) -> None:
    files, path = filesystem(target)
    _, source_path = filesystem(source)
    with as_os_error(source):
        if scheme_of(target) in GOOGLE:
            files.mv_file(source_path, path)
        else:
            files.cp_file(source_path, path)
            with suppress(FileNotFoundError):  # another move of the same file has removed it
                files.rm_file(source_path)


def upload(file: Path, uri: str) -> None:
    """Copy a local file to an object. Raises OSError, which names it."""
    files, path = filesystem(uri)
    with as_os_error(uri):
        files.put_file(str(file), path)


@contextmanager
def written_folder(uri: str, last: str) -> Iterator[Path]:
    """A local folder to write files into. If the block succeeds, its files are at `uri`, `last` written last.

    Locally the folder replaces an earlier one in one step. The objects of an earlier one are overwritten, and
    until `last` is there again it does not count. Raises OSError that names the place.
    """
    here = local_path(uri)
    if here is not None:
        final = Path(here)
        partial = final.with_name(f".{final.name}.partial")
        _remove_whatever(partial)
        partial.mkdir(parents=True)
        try:
            yield partial
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        for file in sorted(partial.rglob("*")):
            flush_to_disk(file)
        if final.exists():
            remove_folder(uri, last)
        os.replace(partial, final)
        flush_to_disk(final.parent)
        return
    with tempfile.TemporaryDirectory(prefix="zoetrope-") as temporary:
        root = Path(temporary)
        yield root
        remove_file(join(uri, last))
        names = sorted(str(file.relative_to(root)) for file in root.rglob("*") if file.is_file())
        for name in sorted(names, key=lambda name: name == last):
            upload(root / name, join(uri, name))


def remove_file(uri: str) -> None:
    """Remove one file, if it is there. A request whose answer was lost has removed it already."""
    here = local_path(uri)
    if here is not None:
        Path(here).unlink(missing_ok=True)
        return
    files, path = filesystem(uri)
    with suppress(FileNotFoundError), as_os_error(uri):
        files.rm_file(path)


def remove_folder(uri: str, first: str) -> None:
    """Remove a folder, never half of it under its name.

    A local folder is renamed first. In object stores the file `first` is removed before the others.
    """
    here = local_path(uri)
    if here is not None:
        gone = Path(here).with_name(f".{Path(here).name}.gone")
        _remove_whatever(gone)
        os.replace(here, gone)
        _remove_whatever(gone)
        return
    remove_file(join(uri, first))
    remove_tree(uri)


def _remove_whatever(path: Path) -> None:
    """Remove a folder with its files, or a link, pipe or file that has the place of one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_tree(folder: str) -> None:
    """Remove a folder and everything in it, if it is there."""
    here = local_path(folder)
    if here is not None:
        if os.path.isdir(here):
            shutil.rmtree(here)
        return
    remove_listed(folder, [name for name, _ in iter_below(folder)])


def remove_listed(folder: str, names: Iterable[str]) -> None:
    """Remove a folder that was just listed: these paths below it. A local folder is removed whole."""
    if local_path(folder) is not None:
        remove_tree(folder)
        return
    with ThreadPoolExecutor(REMOVALS_AT_ONCE) as pool:
        list(pool.map(lambda name: remove_file(join(folder, name)), names))


def remove_empty_folder(folder: str) -> None:
    """Remove a local folder if nothing is in it. A link to one stays. Object stores have no folders.

    Of several that remove it at once none fails.
    """
    here = local_path(folder)
    if here is None:
        return
    try:
        os.rmdir(here)
    except OSError as error:
        if error.errno not in STAYS:
            raise


def flush_to_disk(path: str | Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk.

    A power cut then leaves them whole.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
