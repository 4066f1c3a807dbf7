"""The `source` section of `zoetrope import-videos`, and the table of its kinds. It loads without Beam."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from pipelines.sources.kinds import Kind, check_fields
from schemas.config import Config

SPLITS = ("split", "split_file")


class VideoSourceConfig(Config):
    """Where the videos and captions are. A field that has no effect for the kind is an error."""

    KINDS: ClassVar[Mapping[str, Kind]] = {
        "msrvtt": Kind(
            "pipelines.sources.videos.datasets.msrvtt:MsrvttSource", ("videos",), ("annotations", *SPLITS)
        ),
        "msvd": Kind("pipelines.sources.videos.datasets.msvd:MsvdSource", ("videos", "annotations"), SPLITS),
        "vatex": Kind(
            "pipelines.sources.videos.datasets.vatex:VatexSource",
            ("videos", "annotations"),
            (*SPLITS, "language"),
        ),
        "csv": Kind(
            "pipelines.sources.videos.table:TableSource",
            ("videos", "annotations"),
            (*SPLITS, "video_column", "caption_column"),
        ),
        "didemo": Kind(
            "pipelines.sources.videos.datasets.paragraphs:DidemoSource", ("videos", "annotations"), ("split",)
        ),
        "activitynet": Kind(
            "pipelines.sources.videos.datasets.paragraphs:ActivityNetSource",
            ("videos", "annotations"),
            ("split",),
        ),
        "lsmdc": Kind(
            "pipelines.sources.videos.datasets.lsmdc:LsmdcSource", ("videos", "annotations"), ("split",)
        ),
        "ssv2": Kind(
            "pipelines.sources.videos.datasets.something:SomethingSource",
            ("videos", "annotations"),
            ("split", "text"),
        ),
    }

    kind: str = Field(
        description="msrvtt, msvd, vatex, didemo, activitynet, lsmdc, ssv2, csv, or module:Class for a "
        "source of your own"
    )
    videos: str | None = Field(
        None,
        description="folder of the video files (subfolders too), or a glob; local or gs://. "
        "Files are named by id",
    )
    annotations: str | None = Field(
        None,
        description="MSRVTT_data.json, raw-captions.pkl, VATEX's JSON, or the table; "
        "not needed where split_file has sentences. didemo, activitynet, lsmdc, ssv2: the folder of the "
        "published files, or one of them without a split",
    )
    split: str | None = Field(
        None,
        description="msrvtt: train, val, test (as the JSON says), train.full, val.full, test.full "
        "(the same, by number), train.9k, train.7k, 1k-A; msvd: train, val, test; vatex: these and "
        "test1k5_sec (published lists in the folder of the annotations); csv: a value of its column "
        "'split'; didemo, lsmdc: train, val, test; activitynet: train, val_1, val_2; ssv2: train, val, "
        "retrieval (the published file of this name in the folder); null: every video",
    )
    split_file: str | None = Field(
        None,
        description="a list of ids instead: one id per line, or a CSV with a column video_id "
        "(and perhaps sentence)",
    )
    language: Literal["en", "zh"] | None = Field(None, description="vatex: which captions; null: en")
    video_column: str | None = Field(
        None, description="csv: column of videos; null: the first of video, video_id, path, file"
    )
    caption_column: str | None = Field(
        None, description="csv: column of captions; null: the first of caption, sentence, text"
    )
    text: Literal["template", "label"] | None = Field(
        None,
        description="ssv2: captions, the template or the label with its objects; null: template",
    )
    limit: int | None = Field(
        None, ge=1, description="only the first so many videos, to try things out; null: all"
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="module:Class: settings that this class reads"
    )

    @model_validator(mode="after")
    def _fields_fit_kind(self) -> Self:
        check_fields(self)
        if self.split is not None and self.split_file is not None:
            raise ValueError("split and split_file both say which videos: give one of them")
        if self.kind == "msrvtt" and self.annotations is None and self.split_file is None:
            raise ValueError("annotations is required for kind msrvtt: give source.annotations=...")
        return self
