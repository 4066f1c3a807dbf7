"""COCO captions: a JSON of images and annotations, and the pictures in a folder or in the published zip."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from pipelines.sources.annotations.boxes import Instances
from pipelines.sources.annotations.coco_index import Id, Image, is_key_number, read_images
from pipelines.sources.annotations.json_entries import NOT_UTF8, marked
from pipelines.sources.base import Loss, Source
from pipelines.sources.config import SourceConfig
from pipelines.sources.growth.known import FAILED, Known, digest
from pipelines.sources.growth.rows import OTHER, Planner, Row, unique
from pipelines.sources.pictures import ZIP, Pictures
from schemas.errors import ConfigError
from schemas.keys import slug
from schemas.records import Failure, Reason, Reference, SampleError, Stage, Task
from schemas.text import valid_text
from storage.find import FileInfo, find, find_some, identity
from storage.uris import is_glob

SIGN_OF_LIFE = 4096  # images between two calls of `progress`
PROBES = 16  # pictures of a remote folder that are looked for before the folder is listed


class CocoSource(Source):
    """One sample per image with all its captions, in the order of image ids.

    Key: the id, in the form of COCO's file names.
    """

    config: SourceConfig

    def __init__(self, config: SourceConfig, *, shard_samples: int) -> None:
        super().__init__(config, shard_samples=shard_samples)
        self._pictures: Pictures | None = None  # opened once by each worker

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_pictures": None}

    @property
    def plans_apart(self) -> bool:
        """Always: JSON, and the directories of zips."""
        return True

    @property
    def reads_apart(self) -> bool:
        """Where pictures may be in zips."""
        images = self.config.images or ""
        return is_glob(images) or images.lower().endswith(ZIP)

    def fingerprint(self) -> dict[str, Any]:
        """Kind, limit, names and sizes of the annotations and of zips; not of a folder of pictures."""
        images = self.config.images or ""
        zips: list[FileInfo] = []
        if is_glob(images) or images.lower().endswith(ZIP):
            zips = [file for file in find(images) if file.path.lower().endswith(ZIP)]
        about = {"kind": "coco", "limit": self.config.limit, **identity(self._annotations())}
        if self.config.boxes:
            boxes = {f"boxes_{name}": value for name, value in identity(self._boxes()).items()}
            about |= {"boxes": "instances", **boxes}
        if zips:
            return about | {f"images_{name}": value for name, value in identity(zips).items()}
        return about

    @property
    def can_grow(self) -> bool:
        """Always: by images of any id, in the same file or a further one."""
        return True

    def plan(self) -> Iterator[Task]:
        """Tasks hold their references: ``{rows: [{key, file, id, captions, url} | {key, reason, detail}]}``.

        The JSON is streamed; its captions stay in memory. Raises ConfigError if no annotated picture is
        there.
        """
        return self._plan(None)

    def plan_from(self, known: Known) -> Iterator[Task]:
        """Known images, whose captions must be the same; then the others."""
        return self._plan(known)

    def _plan(self, known: Known | None) -> Iterator[Task]:
        try:
            pictures = Pictures(self.config.images or "", self.picture_bytes, self.progress)
        except FileNotFoundError as error:  # before anything is made
            raise ConfigError(f"source.images: {error}") from None
        rows = list(unique(self._rows()))
        self._locate([row.values for row in rows], pictures)
        pictures.close()
        where = f"source.annotations: {self.config.annotations}"
        planner = Planner(self.shard_samples, self.config.limit, where, "image id ")
        yield from planner.plan(rows, known)

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """Yield references to files in a folder, or with the picture from the zip."""
        if self._pictures is None:
            self._pictures = Pictures(self.config.images or "", self.picture_bytes, self.progress)
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
            yield Reference(
                row["key"],
                tuple(row["captions"]),
                "coco",
                image=image,
                path=path,
                url=row["url"],
                image_id=row["id"],
                meta=row.get("meta", {}),
            )

    def lose(self, task: Task, done: int) -> Loss:
        """One picture; those after it are read."""
        lost, *rest = task.payload["rows"][done:]
        where = f"{self.config.images}: {lost.get('file', lost['key'])}"
        following = None
        if rest:
            following = replace(task, samples=len(rest), payload={"rows": rest})
        return Loss((lost["key"],), where, following)

    def _annotations(self) -> list[FileInfo]:
        files = find_some(self.config.annotations or "", "source.annotations")
        files = files[: self.first_files]
        for file in files:
            if file.path.lower().endswith((".zip", ".gz")):
                raise ConfigError(
                    f"source.annotations: {file.path}: unpack it, and give the captions_*.json inside"
                )
        return files

    def _boxes(self) -> list[FileInfo]:
        return find_some(self.config.boxes or "", "source.boxes")

    def _rows(self) -> Iterator[Row]:
        files = self._annotations()
        images = read_images([file.path for file in files], "source.annotations", self.progress)
        if not any(image.known for image in images):
            raise ConfigError(
                f"source.annotations: {files[0].path}: no 'images' in it; "
                "give a captions_*.json of COCO's form"
            )
        if not any(image.captions for image in images):
            raise ConfigError(
                f"source.annotations: {files[0].path}: no captions in it; "
                "give a captions_*.json of COCO's form"
            )
        instances = None
        if self.config.boxes:
            instances = Instances([file.path for file in self._boxes()], "source.boxes")
        previous: Id | None = None
        spoilt: list[str] = []
        for position, image in enumerate(images):
            if position % SIGN_OF_LIFE == 0:
                self.progress(files[0].path)
            key, name = _key(image.id), json.dumps(image.id)
            if image.id is None:
                values = _failed(Reason.MALFORMED_ROW, "an entry of 'images' without an id", image.url)
            elif image.id == previous:
                key = f"{key.format(position)}-again{{0}}"
                values = _failed(Reason.DUPLICATE_KEY, f"image id {image.id} came before", image.url)
            else:
                values = _row(image)
                if "reason" not in values:
                    spoilt += [f"image id {image.id}: {shown}" for shown in _not_utf8(image.captions)]
                if instances and (boxes := instances.meta(image.id)):
                    values["meta"] = {**values.get("meta", {}), **boxes}
            about = FAILED
            if "reason" not in values:
                about = digest(values)
            yield Row(name, about, key, values)
            previous = image.id
        for detail in spoilt:  # last, so that they shift no key
            yield Row(OTHER + detail, FAILED, "coco-x{0:09d}", _failed(Reason.NOT_UTF8, detail, None))

    def _locate(self, rows: list[dict[str, Any]], pictures: Pictures) -> None:
        """Replace the file names of the annotations by those of the files, where they differ.

        A remote folder is listed only if some of a few pictures are not there under their own names.
        """
        wanted = [row for row in rows if "file" in row]
        if not pictures.is_listed:
            probes = wanted[:: max(1, len(wanted) // PROBES)]
            if all(pictures.holds(row["file"]) for row in probes):
                return
        found = 0
        for number, row in enumerate(wanted):
            if number % SIGN_OF_LIFE == 0:
                self.progress(self.config.images or "")
            located = pictures.locate(row["file"])
            if located is not None:
                row["file"] = located
                found += 1
        if wanted and not found:
            holds = pictures.example()
            raise ConfigError(
                f"source.images: {self.config.images}: none of the {len(wanted)} annotated pictures is "
                f"there, such as {wanted[0]['file'] or '(no name)'}; it holds {holds or 'no files'}"
            )


def _key(identifier: Id | None) -> str:
    """The key of an image, with the position as {0} where it is part of the key."""
    if is_key_number(identifier):
        return f"coco-{identifier:012d}"
    if identifier is None:
        return "coco-x{0:09d}"
    return f"coco-s{{0:09d}}-{slug(str(identifier), 60)}".rstrip("-")


def _row(image: Image) -> dict[str, Any]:
    if not image.known:
        detail = f"captions of image id {image.id!r}, which is not in 'images'"
        return _failed(Reason.MISSING_IMAGE, detail, image.url)
    kept = [caption for caption in image.captions if caption.strip() and NOT_UTF8 not in caption]
    if NOT_UTF8 in image.file:
        return _failed(Reason.NOT_UTF8, f"image id {image.id}: file name {marked(image.file)}", image.url)
    if not kept:
        if spoilt := _not_utf8(image.captions):
            return _failed(Reason.NOT_UTF8, f"image id {image.id}: {spoilt[0]}", image.url)
        if image.captions:
            reason = Reason.EMPTY_CAPTION
        else:
            reason = Reason.MISSING_CAPTION
        return _failed(reason, f"image id {image.id} ({image.file})", image.url)
    row = {"file": image.file, "id": valid_text(str(image.id)), "captions": kept, "url": image.url}
    if image.split is None:
        return row
    return {**row, "meta": {"split": image.split}}


def _not_utf8(captions: Iterable[str]) -> list[str]:
    """Words for the captions that are not UTF-8."""
    return [f"caption {marked(caption)}" for caption in captions if NOT_UTF8 in caption]


def _failed(reason: Reason, detail: str, url: str | None) -> dict[str, Any]:
    return {"reason": str(reason), "detail": valid_text(detail), "url": url}
