"""Video sources over empty files, for tests of what is planned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from source_checks import plan_of

from pipelines.sources.base import make_source, read_task
from pipelines.sources.videos.config import VideoSourceConfig
from schemas.records import Failure


def planned(folder: Path, names: list[str], **fields: Any) -> list[tuple[str, ...]]:
    """(key, captions...) or (key, reason, detail) of each input; `names` are the files in the folder of
    videos.
    """
    videos = folder / "videos"
    videos.mkdir(exist_ok=True)
    for name in names:
        (videos / name).parent.mkdir(parents=True, exist_ok=True)
        (videos / name).touch()
    values = {name: str(value) if isinstance(value, Path) else value for name, value in fields.items()}
    source = make_source(VideoSourceConfig.make({"videos": str(videos), **values}), shard_samples=3)
    items = [item for task in plan_of(source) for item in read_task(source, task)]
    keys = [item.key for item in items]
    assert keys == sorted(set(keys))
    return [
        (item.key, str(item.reason), item.detail) if isinstance(item, Failure) else (item.key, *item.captions)
        for item in items
    ]
