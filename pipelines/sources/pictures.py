"""Picture files by the name that annotations give them: in a folder, in zips, or matched by a glob."""

from __future__ import annotations

import errno
import lzma
import struct
import zipfile
import zlib

from pipelines.sources.annotations.names import NameIndex
from pipelines.workers.reader import Progress, unwatched
from schemas.errors import ConfigError
from schemas.records import Reason, SampleError, Stage
from schemas.text import one_line
from storage.find import find, find_under
from storage.folders import folder_exists
from storage.read import MAX_PICTURE_BYTES, open_input
from storage.uris import absolute, is_glob, join, safe_relative, why_unsafe
from transforms.media.formats.sniff import HEAD_BYTES, sniff

ZIP = ".zip"
BROKEN_ZIP = (  # what zipfile raises for damaged, encrypted or unknown contents
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    RuntimeError,
    NotImplementedError,
    OverflowError,
    ValueError,
)

LARGE = 4 * 1024 * 1024  # bytes, from which on a picture must look like one before it is unpacked
# OSError.errno of bz2 for damaged data, and of a seek to a place that cannot exist.
DAMAGED = (None, errno.EINVAL)


class Pictures:
    """Picture files by name. `locate` lists a folder when it is called; a zip's directory is read once.

    A picture of over `max_bytes` in a zip is refused. Raises FileNotFoundError if there is nothing,
    ConfigError for a zip that is damaged.
    """

    def __init__(
        self, images: str, max_bytes: int = MAX_PICTURE_BYTES, progress: Progress = unwatched
    ) -> None:
        self._root = absolute(images)
        self._max_bytes, self._progress = max_bytes, progress
        self._folder: str | None = None
        self._index: NameIndex | None = None
        self._files: dict[str, str] = {}  # relative name -> path
        self._members: dict[str, tuple[zipfile.ZipFile, zipfile.ZipInfo]] = {}
        self._archives: list[zipfile.ZipFile] = []
        if not is_glob(self._root) and not self._root.lower().endswith(ZIP):
            self._folder = self._root.rstrip("/") or "/"
            self.check()
            return
        files = find(self._root) or find_under(self._root)
        if not files:
            raise FileNotFoundError(f"{self._root}: no such file, or nothing matches; check the path")
        base = _base(self._root)
        for file in files:
            if file.path.lower().endswith(ZIP):
                self._open_zip(file.path)
            else:
                self._files[file.path[len(base) :].lstrip("/")] = file.path
        self._index = NameIndex([*self._files, *self._members])

    def check(self) -> None:
        """Raises FileNotFoundError if there is no folder; every picture would look missing otherwise."""
        if self._folder is not None and not folder_exists(self._folder):
            raise FileNotFoundError(f"{self._folder}: no such folder of pictures; check the path")

    @property
    def is_listed(self) -> bool:
        """Is finding a picture cheap? A remote folder has to be listed for it."""
        return self._folder is None or "://" not in self._folder

    def locate(self, name: str) -> str | None:
        """The name under which `get` finds a picture; None if it is not there. Lists a folder once."""
        if safe_relative(name.replace("\\", "/")) is None:
            return None
        return self._listed().get(name.replace("\\", "/"))

    def holds(self, name: str) -> bool:
        """Is there a file of exactly this name in the folder? One request, without a listing."""
        relative = safe_relative(name)
        return relative is not None and bool(find(join(self._folder or "", relative)))

    def example(self) -> str | None:
        """The name of a picture that is there; None if there is none. Lists a folder once."""
        return next(iter(self._listed()), None)

    def get(self, name: str) -> tuple[str | None, bytes | None]:
        """(path, None) of a file to be read, or (None, bytes) from a zip. Raises SampleError."""
        relative = safe_relative(name.replace("\\", "/"))
        if relative is None:
            detail = f"file name {name[:200]!r} {why_unsafe(name)}"
            raise SampleError(Stage.PLAN, Reason.MALFORMED_ROW, detail)
        if self._folder is not None:
            return join(self._folder, relative), None
        found = None
        if self._index is not None:
            found = self._index.get(relative)
        if found is None:
            raise SampleError(Stage.READ, Reason.MISSING_IMAGE, f"{relative} is not in {self._root}")
        if found in self._files:
            return self._files[found], None
        archive, member = self._members[found]
        self._progress(archive.filename or "")
        return None, _unzipped(archive, member, self._max_bytes)

    def close(self) -> None:
        """Close the archives."""
        for archive in self._archives:
            archive.close()

    def _listed(self) -> NameIndex:
        if self._index is None:
            folder = self._folder or ""
            self._index = NameIndex(file.path[len(folder) :].lstrip("/") for file in find_under(folder))
        return self._index

    def _open_zip(self, path: str) -> None:
        self._progress(path)
        stream = open_input(path)
        try:
            archive = zipfile.ZipFile(stream)
        except BROKEN_ZIP as error:
            stream.close()
            raise ConfigError(f"source.images: {path}: not a whole zip: {one_line(error, 120)}") from None
        self._archives.append(archive)
        for info in archive.infolist():
            if not info.is_dir():
                self._members.setdefault(info.filename, (archive, info))


def _base(root: str) -> str:
    """The folder that holds everything a glob or file name can match."""
    first = min((root.index(character) for character in "*?[" if character in root), default=len(root))
    return root[:first].rpartition("/")[0]


def _unzipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo, max_bytes: int) -> bytes:
    where = f"{archive.filename}: {info.filename}"
    if info.file_size > max_bytes:
        raise SampleError(Stage.READ, Reason.TOO_LARGE, f"{where}: {info.file_size} bytes")
    try:
        with archive.open(info) as member:
            head = member.read(HEAD_BYTES)
            if info.file_size > LARGE:
                sniff(head)  # its SampleError: what is no picture is not unpacked any further
            data = head + member.read(max_bytes + 1 - len(head))
    except OSError as error:
        if error.errno not in DAMAGED:
            raise  # the zip itself is gone
        raise SampleError(Stage.READ, Reason.UNREADABLE, f"{where}: {error}") from None
    except BROKEN_ZIP as error:
        raise SampleError(Stage.READ, Reason.UNREADABLE, f"{where}: {one_line(error)}") from None
    if len(data) > max_bytes:
        raise SampleError(Stage.READ, Reason.TOO_LARGE, f"{where}: over {max_bytes} bytes")
    if not data:
        raise SampleError(Stage.READ, Reason.EMPTY_BODY, f"{where}: an empty file")
    return data
