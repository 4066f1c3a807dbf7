"""Where videos and captions are: the `source` section of `zoetrope import-videos`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from schemas.config import Config

ONLY_FOR = {"language": ("vatex",), "video_column": ("csv",), "caption_column": ("csv",)}


class VideoSourceConfig(Config):
    """Where the videos and captions are. A field that means nothing for the kind is an error, not ignored."""

    kind: Literal["msrvtt", "msvd", "vatex", "csv"] = Field(description="whose annotations they are")
    videos: str = Field(
        description="folder of the video files (subfolders too), or a glob; local or gs://. Files are named by id"
    )
    annotations: str | None = Field(
        None,
        description="MSRVTT_data.json, raw-captions.pkl, VATEX's JSON, or the table; not needed where split_file has sentences",
    )
    split: str | None = Field(
        None,
        description="msrvtt: train, val, test (as the JSON says), train.full, val.full, test.full (the same, by number), "
        "train.9k, train.7k, 1k-A; msvd: train, val, test; vatex: these and test1k5_sec (published lists beside the "
        "annotations); csv: a value of its column 'split'; null: every video",
    )
    split_file: str | None = Field(
        None,
        description="a list of ids instead: a line an id, or a CSV with a column video_id (and perhaps sentence)",
    )
    language: Literal["en", "zh"] | None = Field(None, description="vatex: which captions; null: en")
    video_column: str | None = Field(
        None, description="csv: column of videos; null: the first of video, video_id, path, file"
    )
    caption_column: str | None = Field(
        None, description="csv: column of captions; null: the first of caption, sentence, text"
    )
    limit: int | None = Field(
        None, ge=1, description="only the first so many videos, to try things out; null: all"
    )

    @model_validator(mode="after")
    def _fields_fit_kind(self) -> Self:
        for name, kinds in ONLY_FOR.items():
            if getattr(self, name) is not None and self.kind not in kinds:
                raise ValueError(f"{name} has no effect for kind {self.kind}: remove source.{name}")
        if self.split is not None and self.split_file is not None:
            raise ValueError("split and split_file both say which videos: give one of them")
        if self.annotations is None and (self.kind != "msrvtt" or self.split_file is None):
            raise ValueError(f"annotations is required for kind {self.kind}: give source.annotations=...")
        return self
