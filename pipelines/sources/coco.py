"""COCO captions: a JSON of images and annotations, and the pictures in a folder or in the published zip."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import ijson

from pipelines.sources.base import Source
from pipelines.sources.cells import texts
from pipelines.sources.config import SourceConfig
from schemas.errors import ConfigError
from schemas.keys import slug
from schemas.records import Failure, Reason, Reference, SampleError, Stage, Task
from schemas.text import one_line, valid_text
from storage.find import FileInfo, find, find_some, find_under, folder_exists, identity
from storage.read import MAX_PICTURE_BYTES, open_input
from storage.uris import absolute, is_glob, join, safe_relative

JSON_BUFFER = 1024 * 1024
MAX_ID = 10**12  # beyond, an id does not fit the 12 digits of a key


class CocoSource(Source):
    """One sample an image with all its captions, in the order of image ids. Key: the id, as COCO's file names have it."""

    def __init__(self, config: SourceConfig, *, shard_samples: int) -> None:
        super().__init__(config, shard_samples=shard_samples)
        self._pictures: Pictures | None = None  # opened once by each worker

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_pictures": None}

    def fingerprint(self) -> dict[str, Any]:
        """Kind, names and sizes of the annotations and of zips, and the limit; a folder of pictures is not listed for it."""
        images = self.config.images or ""
        zips = (
            [file for file in find(images) if file.path.endswith(".zip")]
            if is_glob(images) or images.endswith(".zip")
            else []
        )
        about = {"kind": "coco", "limit": self.config.limit, **identity(self._annotations())}
        return about | {f"images_{name}": value for name, value in identity(zips).items()} if zips else about

    def plan(self) -> Iterator[Task]:
        """Tasks hold their references: ``{rows: [{key, file, id, captions, url} | {key, reason, detail}]}``.

        The JSON is streamed; what stays in memory are its captions.
        """
        try:
            Pictures(self.config.images or "").close()
        except FileNotFoundError as error:  # say it before anything is made
            raise ConfigError(f"source.images: {error}") from None
        yield from self.tasks(self._rows())

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """References to files in a folder, or with the picture from the zip."""
        if self._pictures is None:
            self._pictures = Pictures(self.config.images or "")
        self._pictures.check()  # a folder may go between two tasks
        for row in task.payload["rows"]:
            if "reason" in row:
                yield Failure(row["key"], Stage.PLAN, Reason(row["reason"]), row["detail"], row.get("url"))
                continue
            try:
                path, image = self._pictures.get(row["file"])
            except SampleError as error:
                yield error.failure(row["key"], row["url"])
                continue
            captions = tuple(row["captions"])
            yield Reference(
                row["key"], captions, "coco", image=image, path=path, url=row["url"], image_id=row["id"]
            )

    def _annotations(self) -> list[FileInfo]:
        files = find_some(self.config.annotations or "", "source.annotations")
        for file in files:
            if file.path.endswith((".zip", ".gz")):
                raise ConfigError(
                    f"source.annotations: {file.path}: unpack it, and give the captions_*.json inside"
                )
        return files

    def _rows(self) -> Iterator[dict[str, Any]]:
        files = self._annotations()
        captions: dict[int | str, list[str]] = {}
        for item in _items(files, "annotations.item"):
            if isinstance(item, dict) and isinstance(item.get("image_id"), int | str):
                captions.setdefault(item["image_id"], []).extend(texts(item.get("caption")))
        images = list(self._images(files))
        if not images:
            raise ConfigError(
                f"source.annotations: {files[0].path}: no 'images' in it; give a captions_*.json of COCO's form"
            )
        known = {identifier for identifier, _, _ in images}
        images += [(identifier, None, None) for identifier in captions if identifier not in known]
        images.sort(key=lambda image: _order(image[0]))
        previous: int | str | None = None
        for position, (identifier, file, url) in enumerate(images):
            key = _key(identifier, position)
            if identifier is None:
                yield _failed(key, Reason.MALFORMED_ROW, "an entry of 'images' without an id", url)
            elif identifier == previous:
                yield _failed(
                    f"{key}-again{position}", Reason.DUPLICATE_KEY, f"image id {identifier} came before", url
                )
            else:
                yield _row(key, identifier, file, url, captions.get(identifier))
            previous = identifier

    def _images(self, files: list[FileInfo]) -> Iterator[tuple[int | str | None, str | None, str | None]]:
        """(id, file name, url) of each entry of 'images'; None for what is not there or not of its type."""
        for item in _items(files, "images.item"):
            about = item if isinstance(item, dict) else {}
            identifier = about.get("id")
            url = about.get("coco_url") or about.get("flickr_url")
            yield (
                identifier
                if isinstance(identifier, int | str) and not isinstance(identifier, bool)
                else None,
                about["file_name"] if isinstance(about.get("file_name"), str) else "",
                valid_text(url) if isinstance(url, str) else None,
            )


class Pictures:
    """Picture files by the name that an index gives them: in a folder, in zips, or matched by a glob.

    Raises FileNotFoundError if there is nothing, ConfigError for a zip that is none. Of a zip the central directory is read
    once; a name is looked up as it stands, then by its last part, since indexes and archives differ in folders.
    """

    def __init__(self, images: str) -> None:
        self._root = absolute(images)
        self._folder: str | None = None
        self._files: dict[str, str] = {}
        self._members: dict[str, tuple[zipfile.ZipFile, zipfile.ZipInfo]] = {}
        self._archives: list[zipfile.ZipFile] = []
        if not is_glob(self._root) and not self._root.endswith(".zip"):
            self._folder = self._root
            self.check()
            return
        files = find(self._root) or find_under(self._root)
        if not files:
            raise FileNotFoundError(f"{self._root}: no such file, or nothing matches; check the path")
        for file in files:
            if file.path.endswith(".zip"):
                self._open_zip(file.path)
            else:
                self._files.setdefault(file.path.rpartition("/")[2], file.path)

    def check(self) -> None:
        """Raises FileNotFoundError if there is no folder, which would otherwise look like many missing pictures."""
        if self._folder is not None and not folder_exists(self._folder):
            raise FileNotFoundError(f"{self._folder}: no such folder of pictures; check the path")

    def get(self, name: str) -> tuple[str | None, bytes | None]:
        """(path, None) of a file to be read, or (None, bytes) from a zip. Raises SampleError."""
        relative = safe_relative(name)
        if relative is None:
            raise SampleError(
                Stage.PLAN,
                Reason.MALFORMED_ROW,
                f"file name {name[:200]!r} is empty, or leads out of the folder",
            )
        if self._folder is not None:
            return join(self._folder, relative), None
        base = relative.rpartition("/")[2]
        if base in self._files:
            return self._files[base], None
        found = self._members.get(relative) or self._members.get("/" + base)
        if found is None:
            raise SampleError(Stage.READ, Reason.MISSING_IMAGE, f"{relative} is not in {self._root}")
        return None, _unzipped(*found)

    def close(self) -> None:
        """Close the archives."""
        for archive in self._archives:
            archive.close()

    def _open_zip(self, path: str) -> None:
        try:
            archive = zipfile.ZipFile(open_input(path))
        except zipfile.BadZipFile as error:
            raise ConfigError(f"source.images: {path}: not a whole zip: {error}; fetch it again") from None
        self._archives.append(archive)
        for info in archive.infolist():
            if not info.is_dir():
                self._members.setdefault(info.filename, (archive, info))
                self._members.setdefault("/" + info.filename.rpartition("/")[2], (archive, info))


def _unzipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.file_size > MAX_PICTURE_BYTES:
        raise SampleError(Stage.READ, Reason.TOO_LARGE, f"{info.filename}: {info.file_size} bytes")
    try:
        with archive.open(info) as member:
            data = member.read(MAX_PICTURE_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise SampleError(
            Stage.READ, Reason.UNREADABLE, f"{archive.filename}: {info.filename}: {error}"
        ) from None
    if not data:
        raise SampleError(Stage.READ, Reason.EMPTY_BODY, f"{info.filename}: an empty file")
    return data


def _items(files: list[FileInfo], prefix: str) -> Iterator[Any]:
    for file in files:
        with open_input(file.path) as stream:
            try:
                yield from ijson.items(stream, prefix, use_float=True, buf_size=JSON_BUFFER)
            except (ijson.JSONError, UnicodeDecodeError) as error:
                cause = one_line(error, 120)
                raise ConfigError(
                    f"source.annotations: {file.path}: not a readable JSON: {cause}; fetch it again"
                ) from None


def _order(identifier: int | str | None) -> tuple[int, int, str]:
    """Numbers by value, then texts, then what has none: as `_key` sorts."""
    if _is_number(identifier):
        return (0, int(identifier or 0), "")
    return (2, 0, "") if identifier is None else (1, 0, str(identifier))


def _key(identifier: int | str | None, position: int) -> str:
    if _is_number(identifier):
        return f"coco-{identifier:012d}"
    if identifier is None:
        return f"coco-x{position:09d}"
    return f"coco-s{position:09d}-{slug(str(identifier), 60)}".rstrip("-")


def _is_number(identifier: int | str | None) -> bool:
    return isinstance(identifier, int) and 0 <= identifier < MAX_ID


def _row(
    key: str, identifier: int | str, file: str | None, url: str | None, captions: list[str] | None
) -> dict[str, Any]:
    if file is None:
        return _failed(
            key, Reason.MISSING_IMAGE, f"captions of image id {identifier}, which is not in 'images'", url
        )
    kept = [caption for caption in captions or () if caption.strip()]
    if not kept:
        reason = Reason.EMPTY_CAPTION if captions else Reason.MISSING_CAPTION
        return _failed(key, reason, f"image id {identifier} ({file})", url)
    return {
        "key": key,
        "file": valid_text(file),
        "id": valid_text(str(identifier)),
        "captions": kept,
        "url": url,
    }


def _failed(key: str, reason: Reason, detail: str, url: str | None) -> dict[str, Any]:
    return {"key": key, "reason": str(reason), "detail": valid_text(detail), "url": url}
