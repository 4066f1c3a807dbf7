"""What a source of videos is: entries (a video, its captions) from annotations and a split, and the files they lie in."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pipelines.sources.videos.config import ONLY_FOR, VideoSourceConfig
from pipelines.sources.videos.files import VideoFiles
from schemas.errors import ConfigError
from schemas.keys import slug
from schemas.records import Failure, Reason, Reference, Stage, Task
from schemas.text import nearest, valid_text
from storage.inputs import FileInfo, find_some, identity

KINDS = {
    "msrvtt": "pipelines.sources.videos.msrvtt",
    "msvd": "pipelines.sources.videos.msvd",
    "vatex": "pipelines.sources.videos.vatex",
    "csv": "pipelines.sources.videos.table",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One video as the annotations have it."""

    video: str  # its id: the file's name without its ending, or (tables) its path
    captions: tuple[str, ...]  # in the annotations' order; () if there are none
    url: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)  # plain JSON values


class VideoSource:
    """Plans tasks of videos and says where each lies. Small and picklable, as `pipelines.sources.base.Source`.

    Key: the video's place in the list and its id, so that keys are unique and sort in the list's order.
    """

    def __init__(self, config: VideoSourceConfig, *, shard_samples: int) -> None:
        self.config = config
        self.shard_samples = shard_samples
        self._module = importlib.import_module(KINDS[config.kind])

    def __getstate__(self) -> dict[str, Any]:
        return {"config": self.config, "shard_samples": self.shard_samples}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["config"], shard_samples=state["shard_samples"])  # type: ignore[misc]

    def fingerprint(self) -> dict[str, Any]:
        """Kind, names and sizes of annotations and split, and what selects from them; not which videos are there."""
        about = {"kind": self.config.kind, "limit": self.config.limit, "split": self.config.split}
        about |= {name: getattr(self.config, name) for name in ONLY_FOR}
        for name, files in self._module.files(self.config).items():
            about |= {f"{name}_{what}": value for what, value in identity(files).items()}
        return about

    def plan(self) -> Iterator[Task]:
        """Tasks hold their references: ``{"rows": [{key, video, captions, path, url, meta} | {key, reason, detail}]}``.

        Lists the folder of videos once. Raises ConfigError if none of the videos is there.
        """
        rows = list(self._rows(VideoFiles(self.config.videos)))
        if rows and all(row.get("reason") == Reason.MISSING_VIDEO for row in rows):
            raise ConfigError(
                f"source.videos: {self.config.videos}: none of the {len(rows)} videos is there; "
                f"a file must be named by its id, such as {rows[0]['video']}.mp4"
            )
        source = iter(rows)
        for index, chunk in enumerate(iter(lambda: list(islice(source, self.shard_samples)), [])):
            yield Task(index, len(chunk), {"rows": chunk})

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """References to video files."""
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

    def _rows(self, files: VideoFiles) -> Iterator[dict[str, Any]]:
        seen: set[str] = set()
        for position, entry in enumerate(islice(self._module.entries(self.config), self.config.limit)):
            video = valid_text(entry.video)
            row = {"key": f"{position:07d}-{slug(video) or 'video'}", "video": video, "url": entry.url}
            path = files.get(video)
            if video in seen:
                yield row | {"reason": Reason.DUPLICATE_KEY, "detail": f"video {video} came before"}
            elif not entry.captions:
                yield row | {
                    "reason": Reason.MISSING_CAPTION,
                    "detail": f"video {video} has no captions in the annotations",
                }
            elif path is None:
                yield row | {
                    "reason": Reason.MISSING_VIDEO,
                    "detail": f"no file of video {video} in {self.config.videos}",
                }
            else:
                captions = [valid_text(text) for text in entry.captions]
                yield row | {"captions": captions, "path": path, "meta": entry.meta}
            seen.add(video)


def annotation_files(config: VideoSourceConfig) -> list[FileInfo]:
    """The annotations' file(s). Raises ConfigError if there is none."""
    return find_some(config.annotations or "", "source.annotations")


def unknown_split(config: VideoSourceConfig, known: list[str]) -> ConfigError:
    """The error for a split that the kind does not have."""
    asked = config.split or ""
    near = [name for name in known if asked and asked.casefold() in name.casefold()] or nearest(asked, known)
    hint = f"; the nearest: {' or '.join(near)}" if near else ""
    return ConfigError(
        f"source.split = {config.split!r} is none of {', '.join(known)}{hint}; or give source.split_file"
    )
