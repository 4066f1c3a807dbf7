"""Video files by id: found in a folder or glob, and opened for random access, local or remote."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from schemas.errors import ConfigError
from schemas.records import Reason, SampleError, Stage
from storage.find import find, folder_exists
from storage.read import open_uri
from storage.uris import absolute, is_glob, join

ENDINGS = ("mp4", "avi", "mkv", "webm", "mov", "m4v", "wmv", "flv", "mpg", "mpeg", "ts", "ogv", "3gp", "gif")
CHUNK = 1 << 20


class VideoFiles:
    """The video files of a folder (and its subfolders) or glob, by the id that annotations give them.

    Listed once, when made. Raises ConfigError if there is no such folder, or no video file in it.
    """

    def __init__(self, videos: str) -> None:
        root = absolute(videos).rstrip("/")
        if not is_glob(root) and not folder_exists(root):
            raise ConfigError(f"source.videos: {videos}: no such folder; check the path")
        paths = [file.path for file in find(root if is_glob(root) else join(root, "**"))]
        paths = [path for path in paths if path.lower().rpartition(".")[2] in ENDINGS]
        if not paths:
            raise ConfigError(
                f"source.videos: {videos}: no video files there ({', '.join(ENDINGS[:5])}, ...)"
            )
        base = (
            root[: min(root.find(c) for c in "*?[" if c in root)].rpartition("/")[0]
            if is_glob(root)
            else root
        )
        self._by_name: dict[str, str] = {}
        for path in sorted(paths, key=_preference):
            relative, name = path[len(base) :].lstrip("/"), path.rpartition("/")[2]
            for known_as in (relative, relative.rpartition(".")[0], name, name.rpartition(".")[0]):
                self._by_name.setdefault(known_as, path)

    def get(self, video: str) -> str | None:
        """The file of a video: its path below the folder, or its name anywhere below it, with or without the ending.

        Of several, the first by ending (mp4, avi, mkv, webm, mov, ...), then by path.
        """
        return self._by_name.get(video.removeprefix("./"))


@contextmanager
def open_video(path: str, max_bytes: int) -> Iterator[tuple[IO[bytes], str]]:
    """(seekable local file, sha256 of its bytes). A remote file is copied to a temporary one, at most `max_bytes` of it.

    Raises SampleError (stage read): missing_video, too_large, unreadable.
    """
    try:
        source = open_uri(path)
    except OSError as error:
        reason = Reason.MISSING_VIDEO if isinstance(error, FileNotFoundError) else Reason.UNREADABLE
        raise SampleError(Stage.READ, reason, f"{path}: {error}") from None
    with source, tempfile.TemporaryFile() if "://" in path else open(path, "rb") as local:
        copy = "://" in path
        digest, size = hashlib.sha256(), 0
        try:
            while block := source.read(CHUNK):
                size += len(block)
                if size > max_bytes:
                    raise SampleError(Stage.READ, Reason.TOO_LARGE, f"{path}: over {max_bytes} bytes")
                digest.update(block)
                if copy:
                    local.write(block)
        except OSError as error:
            raise SampleError(Stage.READ, Reason.UNREADABLE, f"{path}: {error}") from None
        local.seek(0)
        yield local, digest.hexdigest()


def _preference(path: str) -> tuple[int, str]:
    return ENDINGS.index(path.lower().rpartition(".")[2]), path
