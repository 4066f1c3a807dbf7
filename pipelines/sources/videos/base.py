"""The contract of a source of videos: its annotations give entries, and a folder or glob holds the files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pipelines.sources.base import Source
from pipelines.sources.videos.config import VideoSourceConfig
from pipelines.sources.videos.files import VideoFiles
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


class VideoSource(Source):
    """A source of videos. Subclasses yield its entries; planning and reading are the same for every kind.

    Key: the position in the list and the video's id, so that keys are unique and sort in the list's order.
    """

    config: VideoSourceConfig

    @abstractmethod
    def entries(self) -> Iterator[Entry]:
        """Yield the videos in the order of the list, else of the annotations."""

    def files(self) -> Mapping[str, list[FileInfo]]:
        """The files that decide which inputs there are, by what they are."""
        return {"annotations": self.annotation_files()} if self.config.annotations is not None else {}

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
        if self.config.options:
            about["options"] = self.config.options
        for name, files in self.files().items():
            about |= {f"{name}_{what}": value for what, value in identity(files).items()}
        return about

    def plan(self) -> Iterator[Task]:
        """Tasks hold their references: ``{"rows": [{key, video, captions, path, url, meta} | {key, reason, detail}]}``.

        Lists the folder of videos once. Raises ConfigError if none of the videos is there.
        """
        if self.config.videos is None:
            raise ConfigError("source.videos is required: give the folder of the video files, or a glob")
        rows = list(self._planned(VideoFiles(self.config.videos)))
        if rows and all(row.get("reason") == Reason.MISSING_VIDEO for row in rows):
            raise ConfigError(
                f"source.videos: {self.config.videos}: none of the {len(rows)} videos is there; "
                f"a file must be named by its id, such as {rows[0]['video']}.mp4"
            )
        yield from self.tasks(rows)

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

    def _planned(self, files: VideoFiles) -> Iterator[dict[str, Any]]:
        seen: set[str] = set()
        for position, entry in enumerate(islice(self.entries(), self.config.limit)):
            video = valid_text(entry.video)
            row = {"key": f"{position:07d}-{slug(video) or 'video'}", "video": video, "url": entry.url}
            path = files.get(video)
            if video in seen:
                problem = (Reason.DUPLICATE_KEY, f"video {video} came before")
            elif not entry.captions:
                problem = (Reason.MISSING_CAPTION, f"video {video} has no captions in the annotations")
            elif path is None:
                problem = (Reason.MISSING_VIDEO, f"no file of video {video} in {self.config.videos}")
            else:
                problem = None
            seen.add(video)
            if problem is not None:
                yield row | {"reason": problem[0], "detail": problem[1]}
                continue
            captions = [valid_text(text) for text in entry.captions]
            yield row | {"captions": captions, "path": path, "meta": entry.meta}


def unknown_split(split: str, known: list[str]) -> ConfigError:
    """The error for a split that the kind does not have."""
    near = [name for name in known if split and split.casefold() in name.casefold()] or nearest(split, known)
    hint = f"; the nearest: {' or '.join(near)}" if near else ""
    return ConfigError(
        f"source.split = {split!r} is none of {', '.join(known)}{hint}; or give source.split_file"
    )
