"""Tars that were already fetched: ``KEY.jpg|jpeg|png|webp`` + ``KEY.txt`` + ``KEY.json``, as img2dataset writes them.

One task a tar, read as a stream: in one pass, from any store, with one sample in memory.
"""

from __future__ import annotations

import json
import tarfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any, Self, cast

from pipelines.sources.annotations.cells import texts, url_identity
from pipelines.sources.base import Source
from schemas.keys import slug
from schemas.records import Failure, Reason, Reference, SampleError, Stage, Task
from schemas.text import valid_text
from storage.find import FileInfo, find, find_some, identity
from storage.read import MAX_PICTURE_BYTES, open_input
from storage.uris import join

PICTURES = ("jpg", "jpeg", "png", "webp")
MAX_TEXT_BYTES = 1024 * 1024  # of KEY.txt and KEY.json, and of a header that carries a long name
TYPICAL_SAMPLE_BYTES = 40_000  # for an estimate where nothing tells the count
KEPT = ("original_width", "original_height", "sha256", "status")  # of KEY.json
BUFFER = 256 * 1024


class TarsSource(Source):
    """Samples of tars, contiguous by key, in any order of keys.

    Key: number of the tar, position in it, and the sample's own key, since that alone may repeat and does not sort.
    """

    def fingerprint(self) -> dict[str, Any]:
        """Kind, names and sizes of the tars, and the limit."""
        return {"kind": "tars", "limit": self.config.limit, **identity(self._files())}

    def plan(self) -> Iterator[Task]:
        """A task is ``{uri, tar}``; how many samples a tar holds is an estimate, exact only under a limit."""
        files = self._files()
        if self.config.limit is not None:
            yield from self._plan_limited(files, self.config.limit)
            return
        for number, (file, samples) in enumerate(zip(files, _estimates(files), strict=True)):
            yield Task(number, samples, {"uri": file.path, "tar": number}, exact=False)

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """Every sample of one tar, and one failure for the rest of a tar that cannot be read on."""
        samples = self._samples(task.payload["uri"], task.payload["tar"])
        return islice(samples, task.samples if task.exact else None)

    def _files(self) -> list[FileInfo]:
        return find_some(self.config.uri or "", "source.uri")

    def _plan_limited(self, files: list[FileInfo], limit: int) -> Iterator[Task]:
        for number, file in enumerate(files):
            if limit <= 0:
                return
            samples = sum(1 for _ in islice(self._samples(file.path, number), limit))
            limit -= samples
            yield Task(number, samples, {"uri": file.path, "tar": number})

    def _samples(self, uri: str, tar: int) -> Iterator[Reference | Failure]:
        seen: set[str] = set()
        with open_input(uri) as stream:
            groups = enumerate(_groups(stream))
            for position, group in groups:
                key = f"tars-{tar:05d}-{position:06d}-{slug(group.key, 60)}".rstrip("-")
                if group.broken is not None:
                    detail = f"{uri}: cannot be read on, at {group.key or 'its beginning'}: {group.broken}"
                    yield Failure(key, Stage.READ, Reason.UNREADABLE, detail)
                elif group.key in seen:
                    detail = (
                        f"{uri}: key {group.key!r} came before: its members are not contiguous, or it repeats"
                    )
                    yield Failure(key, Stage.READ, Reason.DUPLICATE_KEY, detail)
                else:
                    seen.add(group.key)
                    yield _sample(key, uri, group)


@dataclass(slots=True)
class _Group:
    """Members in a row that share a key."""

    key: str
    members: dict[str, bytes] = field(default_factory=dict)  # "image", "txt", "json"
    too_large: str = ""  # a member over its cap, which was passed over
    broken: str | None = None  # why the tar cannot be read beyond here; then the group is not a whole one

    @property
    def whole(self) -> bool:
        return "image" in self.members and ("txt" in self.members or "json" in self.members)


class _StrictTarInfo(tarfile.TarInfo):
    """Makes a bad header an error: tarfile otherwise takes a cut or damaged one for the end of the archive."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except (tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError("cut off: it lacks its end-of-archive mark") from error
        except tarfile.InvalidHeaderError as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(f"a damaged header: {error}") from error

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        info = super().frombuf(buf, encoding, errors)
        named = (
            tarfile.XHDTYPE,
            tarfile.XGLTYPE,
            tarfile.SOLARIS_XHDTYPE,
            tarfile.GNUTYPE_LONGNAME,
            tarfile.GNUTYPE_LONGLINK,
        )
        if info.type in named and info.size > MAX_TEXT_BYTES:  # tarfile would read it whole
            raise tarfile.ReadError(f"a header of {info.size} bytes")
        return info


def _groups(stream: IO[bytes]) -> Iterator[_Group]:
    """Groups of a tar in order; if it cannot be read on, the last one has `broken` set."""
    group = _Group("")
    try:
        with tarfile.open(fileobj=stream, mode="r|*", bufsize=BUFFER, tarinfo=_StrictTarInfo) as tar:
            for info in tar:
                tar.members = []  # type: ignore[attr-defined]  # tarfile remembers every member
                key, kind = _key_and_kind(info.name)
                if not info.isfile() or kind is None:
                    continue
                if key != group.key:
                    if group.key:
                        yield group
                    group = _Group(key)
                _take(tar, info, kind, group)
    except (tarfile.TarError, EOFError, ValueError, zlib.error) as error:
        if group.whole:
            yield group
            group = _Group("")
        group.broken = str(error)
    if group.key or group.broken is not None:
        yield group


def _key_and_kind(name: str) -> tuple[str, str | None]:
    """As webdataset divides names: the key ends at the first dot of the last part."""
    folder, slash, base = name.removeprefix("./").rpartition("/")
    stem, _, extension = base.partition(".")
    extension = extension.lower()
    kind = "image" if extension in PICTURES else extension if extension in ("txt", "json") else None
    return folder + slash + stem, kind


def _take(tar: tarfile.TarFile, info: tarfile.TarInfo, kind: str, group: _Group) -> None:
    if kind in group.members:  # a second picture of one key: the first counts
        return
    if info.size > (MAX_PICTURE_BYTES if kind == "image" else MAX_TEXT_BYTES):
        group.too_large = group.too_large or f"{info.name}: {info.size} bytes"
        return
    data = cast("IO[bytes]", tar.extractfile(info)).read()
    if len(data) < info.size:
        raise tarfile.ReadError(f"cut off inside {info.name}")
    group.members[kind] = data


def _sample(key: str, uri: str, group: _Group) -> Reference | Failure:
    about = _json(group.members.get("json", b""))
    url = valid_text(about["url"]) if isinstance(about.get("url"), str) else None
    try:
        image = _image(group, about)
        captions = tuple(_captions(group, about))
    except SampleError as error:
        return error.failure(key, url)
    meta = {name: about[name] for name in KEPT if isinstance(about.get(name), int | str)}
    meta |= {"tar": uri.rpartition("/")[2], "key": valid_text(group.key)}
    return Reference(
        key, captions, "tars", image=image, url=url, image_id=url_identity(url) if url else None, meta=meta
    )


def _json(data: bytes) -> dict[str, Any]:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):  # the caption may still stand in KEY.txt
        return {}
    return values if isinstance(values, dict) else {}


def _image(group: _Group, about: dict[str, Any]) -> bytes:
    if group.too_large:
        raise SampleError(Stage.READ, Reason.TOO_LARGE, group.too_large)
    image = group.members.get("image")
    if image is None:
        why = about.get("error_message") or about.get("status") or ""
        raise SampleError(Stage.READ, Reason.MISSING_IMAGE, f"{group.key} has no picture {why}")
    if not image:
        raise SampleError(Stage.READ, Reason.EMPTY_BODY, f"{group.key}: an empty picture")
    return image


def _captions(group: _Group, about: dict[str, Any]) -> list[str]:
    """KEY.txt, or where it is missing or blank the caption in KEY.json."""
    try:
        captions = [group.members["txt"].decode("utf-8-sig")] if "txt" in group.members else []
    except UnicodeDecodeError as error:
        raise SampleError(Stage.CAPTION, Reason.NOT_UTF8, f"{group.key}.txt: byte {error.start}") from None
    captions += texts(about.get("caption"))
    if not captions:
        raise SampleError(
            Stage.CAPTION, Reason.MISSING_CAPTION, f"{group.key} has neither txt nor a caption in json"
        )
    for caption in captions:
        if caption.strip():
            return [caption]
    raise SampleError(Stage.CAPTION, Reason.EMPTY_CAPTION, group.key)


def _estimates(files: list[FileInfo]) -> Iterator[int]:
    """Samples of each tar: what img2dataset's ``NNNNN_stats.json`` says, else by size."""
    folders = {file.path.rpartition("/")[0] for file in files}
    stats = {file.path for folder in sorted(folders) for file in find(join(folder, "*_stats.json"))}

    def estimate(file: FileInfo) -> int:
        beside = file.path.removesuffix(".tar") + "_stats.json"
        told = _successes(beside) if beside in stats else None
        return told if told is not None else max(1, file.size // TYPICAL_SAMPLE_BYTES)

    with ThreadPoolExecutor(16) as pool:  # small reads, slow on an object store one by one
        yield from pool.map(estimate, files)


def _successes(uri: str) -> int | None:
    with open_input(uri) as stream:
        told = _json(stream.read(MAX_TEXT_BYTES)).get("successes")
    return told if isinstance(told, int) and told > 0 else None
