"""The pictures that a person names: files, folders, globs and URIs."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.errors import ConfigError
from schemas.records import SampleError
from schemas.text import human_bytes, one_line
from storage.find import glob_uris
from storage.folders import list_names
from storage.read import kind, open_uri
from storage.uris import join
from transforms.media.pictures import Picture, PictureLimits, decode, read_header

PICTURE_ENDINGS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif")
MAX_FILE_BYTES = 64 * 1024 * 1024


def find_pictures(names: Iterable[str], *, most: int) -> list[str]:
    """Find the pictures of files, folders (without subfolders) and globs. Returns URIs in order, none twice.

    Raises ConfigError for a name without pictures, and for more than `most` pictures.
    """
    found: dict[str, None] = {}
    for name in names:
        try:
            here = _pictures_at(name)
        except OSError as error:
            raise ConfigError(f"{name}: cannot be read: {one_line(error)}") from None
        if not here:
            raise ConfigError(f"{name}: no pictures there; pictures end in {', '.join(PICTURE_ENDINGS)}")
        found.update(dict.fromkeys(here))
    if len(found) > most:
        raise ConfigError(f"{len(found)} pictures: give at most {most}")
    return list(found)


def _pictures_at(name: str) -> list[str]:
    """The pictures of a file, folder or glob, sorted. Raises OSError if it cannot be read."""
    if any(c in name for c in "*?["):
        return [uri for uri in glob_uris(name) if _is_picture(uri)]
    what = kind(name)
    if what is None:
        raise ConfigError(f"{name}: no such file or folder")
    if what == "folder":
        return [join(name, inner) for inner in list_names(name) if _is_picture(inner)]
    return [name]


def _is_picture(uri: str) -> bool:
    return uri.rsplit(".", 1)[-1].lower() in PICTURE_ENDINGS


def read_picture(uri: str, *, need: tuple[int, int] | None = None) -> Picture:
    """Open and decode one picture.

    Raises ConfigError, one line that names it, if it cannot be read or is not allowed.
    """
    return decode_picture(read_bytes(uri), uri, need=need)


def read_bytes(uri: str) -> bytes:
    """A picture's bytes. Raises ConfigError if it cannot be opened or is larger than MAX_FILE_BYTES."""
    try:
        with open_uri(uri, pipes=True) as stream:
            data = bytes(stream.read(MAX_FILE_BYTES + 1))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or one_line(error)
        raise ConfigError(f"{uri}: cannot be read: {reason}") from None
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{uri}: larger than {human_bytes(MAX_FILE_BYTES)}")
    return data


def decode_picture(data: bytes, name: str, *, need: tuple[int, int] | None = None) -> Picture:
    """Decode under the job's own default limits. Raises ConfigError: name, reason, detail."""
    try:
        return decode(data, PictureLimits(), need=need)
    except SampleError as error:
        raise ConfigError(f"{name}: {error.reason.replace('_', ' ')}: {error.detail}") from None


def check_header(data: bytes, name: str) -> None:
    """Read the header alone. Raises ConfigError, as `decode_picture`, for other files and forbidden sizes."""
    try:
        read_header(data, PictureLimits())
    except SampleError as error:
        raise ConfigError(f"{name}: {error.reason.replace('_', ' ')}: {error.detail}") from None
