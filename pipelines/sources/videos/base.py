"""The contract of a source of videos: its annotations give entries, and a folder or glob holds the files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from pipelines.sources.annotations.json_entries import NOT_UTF8, marked
from pipelines.sources.base import Source
from pipelines.sources.growth.known import FAILED, Known, digest
from pipelines.sources.growth.rows import OTHER, Planner, Row, unique
from pipelines.sources.videos.config import VideoSourceConfig
from pipelines.sources.videos.files import VideoFiles, is_video_name
from schemas.errors import ConfigError
from schemas.keys import slug
from schemas.records import Failure, Reason, Reference, Stage, Task
from schemas.text import nearest, valid_text
from storage.find import FileInfo, find_some, identity

IN_FINGERPRINT = ("language", "video_column", "caption_column")  # config fields that select captions


@dataclass(frozen=True, slots=True)
class Entry:
    """One video of the annotations."""

    video: str  # its id: the file's name without its ending, or (tables) its path
    captions: tuple[str, ...]  # in the annotations' order; () if there are none
    url: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)  # plain JSON values
    problem: tuple[Reason, str] | None = None  # why its row cannot be read, where it has no other
    also: tuple[str, ...] = ()  # other names that its file may have
    names: tuple[str, ...] = ()  # of each caption ("" for none), where rows write its name in several forms


@dataclass(frozen=True, slots=True)
class BadEntry:
    """A row of the annotations that names no video, and still counts as an input."""

    reason: Reason
    detail: str


class VideoSource(Source):
    """A source of videos. Subclasses yield its entries; planning and reading are the same for every kind.

    Key: the position in the list and the video's id, so that keys are unique and sort in the list's order.
    """

    config: VideoSourceConfig

    @property
    def reads_apart(self) -> bool:
        """Never: the plan holds what reading yields, and workers open the videos."""
        return False

    @abstractmethod
    def entries(self) -> Iterator[Entry | BadEntry]:
        """Yield the videos in the order of the list, else of the annotations."""

    def files(self) -> Mapping[str, list[FileInfo]]:
        """The files that decide which inputs there are, by what they are."""
        if self.config.annotations is None:
            return {}
        return {"annotations": self.annotation_files()}

    def meta(self) -> dict[str, Any]:
        """The fields that every sample keeps of the split."""
        if not self.config.split:
            return {}
        return {"split": self.config.split}

    def annotation_files(self) -> list[FileInfo]:
        """The annotations' file or files. Raises ConfigError if there is none."""
        return find_some(self.config.annotations or "", "source.annotations")

    def fingerprint(self) -> dict[str, Any]:
        """Kind, names and sizes of annotations and split, and the fields that select from them.

        The folder of videos is not part of it.
        """
        about: dict[str, Any] = {
            "kind": self.config.kind,
            "limit": self.config.limit,
            "split": self.config.split,
        }
        about |= {name: getattr(self.config, name) for name in IN_FINGERPRINT}
        if self.config.text is not None:
            about["text"] = self.config.text
        if self.config.options:
            about["options"] = self.config.options
        for name, files in self.files().items():
            about |= {f"{name}_{what}": value for what, value in identity(files).items()}
        return about

    @property
    def can_grow(self) -> bool:
        """Always: by further entries of the annotations."""
        return True

    def plan_from(self, known: Known) -> Iterator[Task]:
        """Known videos, whose captions must be the same; then the others."""
        return self._plan(known)

    def plan(self) -> Iterator[Task]:
        """Yield tasks that hold their references.

        A payload is ``{"rows": [{key, video, captions, path, url, meta} | {key, reason, detail}]}``.

        Lists the folder of videos once. Raises ConfigError if there is no video in the annotations, or none
        of them is in the folder.
        """
        return self._plan(None)

    def _plan(self, known: Known | None) -> Iterator[Task]:
        if self.config.videos is None:
            raise ConfigError("source.videos is required: give the folder of the video files, or a glob")
        limit = None
        if known is None:  # else known videos may be anywhere
            limit = self.config.limit
        rows = list(unique(self._planned(VideoFiles(self.config.videos), limit)))
        if not rows:
            raise ConfigError(f"source.annotations: {self.config.annotations}: no videos in it")
        missing = [row.values for row in rows if row.values.get("reason") == Reason.MISSING_VIDEO]
        if missing and not any("path" in row.values for row in rows):
            raise ConfigError(
                f"source.videos: {self.config.videos}: none of the {len(missing)} videos is there; "
                f"{_expected(missing[0]['video'])}"
            )
        planner = Planner(self.shard_samples, self.config.limit, f"source.annotations: {self._where()}")
        yield from planner.plan(rows, known)

    def _where(self) -> str:
        return str(self.config.annotations or self.config.videos)

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """Yield references to video files."""
        for row in task.payload["rows"]:
            if "reason" in row:
                yield Failure(row["key"], Stage.PLAN, Reason(row["reason"]), row["detail"], row["url"])
                continue
            yield Reference(
                row["key"],
                tuple(row["captions"]),
                self.config.kind,
                path=row["path"],
                url=row["url"],
                image_id=row["video"],
                meta=row["meta"],
            )

    def _planned(self, files: VideoFiles, limit: int | None) -> Iterator[Row]:
        seen: set[str] = set()
        bad: list[BadEntry] = []
        for entry in islice(self._named(files, bad), limit):
            video = valid_text(entry.video)
            key = f"{{0:07d}}-{slug(video) or 'video'}"
            row = {"video": video, "url": entry.url}
            path = next(filter(None, map(files.get, (video, *entry.also))), None)
            texts = [valid_text(text) for text in entry.captions]
            captions = [text for text in texts if NOT_UTF8 not in text]
            spoilt = [f"video {video}: caption {marked(text)}" for text in texts if NOT_UTF8 in text]
            if video in seen:
                problem = (Reason.DUPLICATE_KEY, f"video {video} came before")
            elif entry.problem is not None and not entry.captions:
                problem = entry.problem
            elif not entry.captions:
                problem = (Reason.MISSING_CAPTION, f"video {video} has no captions in the annotations")
            elif not captions:
                problem = (Reason.NOT_UTF8, spoilt[0])
            elif path is None:
                problem = files.missing(video)
            else:
                problem = None
            seen.add(video)
            if problem is not None:
                yield Row(video, FAILED, key, row | {"reason": problem[0], "detail": problem[1]})
                continue
            bad += [BadEntry(Reason.NOT_UTF8, detail) for detail in spoilt]
            about = digest([captions, entry.url, entry.meta])
            yield Row(video, about, key, row | {"captions": captions, "path": path, "meta": entry.meta})
        for fault in bad:  # last, so that they shift no key
            detail = valid_text(fault.detail)
            values = {"video": "", "url": None, "reason": fault.reason, "detail": detail}
            yield Row(OTHER + detail, FAILED, "x{0:07d}", values)

    def _named(self, files: VideoFiles, bad: list[BadEntry]) -> Iterator[Entry]:
        """The entries that name a video; the others go to `bad`."""
        for entry in self.entries():
            if isinstance(entry, BadEntry):
                bad.append(entry)
            elif entry.names:
                yield from _by_file(entry, files)
            else:
                yield entry


def _by_file(entry: Entry, files: VideoFiles) -> Iterator[Entry]:
    """Divide an entry whose name has several forms: a.mp4, A.mp4 and a.avi are three videos if all exist."""
    names: dict[str | None, str] = {files.get(entry.video): entry.video}
    captions: dict[str | None, list[str]] = {path: [] for path in names}
    for name, caption in zip(entry.names, entry.captions, strict=True):
        path = files.get(name)
        names.setdefault(path, name)
        captions.setdefault(path, []).extend([caption] * bool(caption))
    for path, name in names.items():
        yield replace(entry, video=name, captions=tuple(captions[path]), names=())


def unknown_split(split: str, known: list[str], instead: str = "source.split_file") -> ConfigError:
    """The error for a split that the kind does not have."""
    near = [name for name in known if split and split.casefold() in name.casefold()] or nearest(split, known)
    hint = ""
    if near:
        hint = f"; the nearest: {' or '.join(near)}"
    return ConfigError(f"source.split = {split!r} is none of {', '.join(known)}{hint}; or give {instead}")


def _expected(video: str) -> str:
    """Where the file of a video must be, for a message."""
    if video.startswith("/") or "://" in video:
        return f"{video} is no file below that folder; give the folder that holds it, or paths relative to it"
    if is_video_name(video):
        return f"a file must have the name in the annotations, such as {video}"
    return f"a file must be named by its id, such as {video}.mp4"
