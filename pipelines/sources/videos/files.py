"""Video files by id: found in a folder or glob, and opened for random access, local or remote."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from pipelines.sources.annotations.names import folded, stem
from schemas.errors import ConfigError
from schemas.records import Reason, SampleError, Stage
from schemas.text import valid_text
from storage.find import find, find_under
from storage.folders import folder_exists
from storage.read import exists, open_uri
from storage.uris import GLOB_CHARACTERS, absolute, is_glob, join, safe_relative

ENDINGS = (  # of the files that are read, the preferred ones first
    *("mp4", "avi", "mkv", "webm", "mov", "m4v", "wmv", "flv", "mpg", "mpeg", "ts", "ogv", "3gp", "gif"),
    *("m2ts", "mts", "m2t", "vob", "asf", "3g2", "m2v", "m1v", "mpe", "f4v", "qt", "divx"),
)
CHUNK = 1 << 20


class VideoFiles:
    """The video files of a folder (and its subfolders) or glob, by the id that annotations give them.

    Listed once, when made. Raises ConfigError if there is no such folder, or no video file in it.
    """

    def __init__(self, videos: str) -> None:
        self._videos = videos
        root = absolute(videos).rstrip("/")
        if not is_glob(root) and not folder_exists(root):
            raise ConfigError(f"source.videos: {videos}: no such folder; check the path")
        if is_glob(root):
            found = find(root)
        else:
            found = find_under(root)
        paths = [
            file.path for file in found if is_video_name(file.path) and valid_text(file.path) == file.path
        ]
        if not paths:
            raise ConfigError(
                f"source.videos: {videos}: no video files there ({', '.join(ENDINGS[:5])}, ...)"
            )
        base = root
        if is_glob(root):
            first = min(root.find(character) for character in GLOB_CHARACTERS if character in root)
            base = root[:first].rpartition("/")[0]
        self._by_name: dict[str, str] = {}
        self._by_folded_name: dict[str, str] = {}
        # Each file is found by every form of its name. Where two share a form, the preferred one has it.
        for path in sorted(paths, key=_preference):
            relative = path[len(base) :].lstrip("/")
            name = path.rpartition("/")[2]
            for known_as in (path, stem(path), relative, stem(relative), name, stem(name)):
                self._by_name.setdefault(known_as, path)
                self._by_folded_name.setdefault(folded(known_as), path)

    def get(self, video: str) -> str | None:
        """Find the file of a video by its path below the folder, an absolute path in it, or its name.

        A name is found anywhere below the folder. Each is found with or without the ending.

        Names that differ in case, Unicode form or slashes are found too, and a file of another ending than
        the id's. Of several, the first by ending (mp4, avi, mkv, webm, mov, ...), then by path.
        """
        path = self._by_name.get(video.removeprefix("./"))
        if path is None:
            path = self._by_folded_name.get(folded(video)) or self._by_folded_name.get(video_key(video))
        return path

    def missing(self, video: str) -> tuple[Reason, str]:
        """The failure of a video that has no file here."""
        name = safe_relative(video)
        if name is not None and "." in name and not is_glob(self._videos) and not is_video_name(name):
            place, ending = join(self._videos, name), name.rpartition(".")[2]
            if _is_there(place):
                detail = f"{place}: the ending {ending[:20]} is not that of a video which is read"
                return (Reason.UNSUPPORTED_FORMAT, detail)
        return (Reason.MISSING_VIDEO, f"no file of video {video} in {self._videos}")


def _is_there(place: str) -> bool:
    try:
        return exists(place)
    except OSError:  # such as a name that is too long
        return False


def is_video_name(name: str) -> bool:
    """Does the name end as video files do?"""
    return "." in name and name.lower().rpartition(".")[2] in ENDINGS


def video_key(name: str) -> str:
    """The id in a name: without the ending of a video file, folded. Equal for names of one video."""
    if is_video_name(name):
        name = stem(name)
    return folded(name)


@contextmanager
def open_video(path: str, max_bytes: int) -> Iterator[tuple[IO[bytes], str]]:
    """Return a seekable local file and the sha256 of its bytes.

    A remote file is copied to a temporary one, up to `max_bytes`.

    Raises SampleError (stage read): missing_video, too_large, unreadable.
    """
    try:
        source = open_uri(path)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            reason = Reason.MISSING_VIDEO
        else:
            reason = Reason.UNREADABLE
        raise SampleError(Stage.READ, reason, f"{path}: {error}") from None
    with source, tempfile.TemporaryFile() if "://" in path else open(path, "rb") as local:
        copy = "://" in path
        digest = hashlib.sha256()
        size = 0
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
