"""The `source` section of `zoetrope animate`, and the table of its kinds. It loads without Beam."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from pipelines.sources.kinds import Kind, check_fields
from schemas.config import Config


class SourceConfig(Config):
    """Where the pictures and captions are. A field that has no effect for the kind is an error."""

    KINDS: ClassVar[Mapping[str, Kind]] = {
        "coco": Kind("pipelines.sources.coco:CocoSource", ("annotations", "images"), ("boxes",)),
        "cc3m": Kind("pipelines.sources.tsv:Cc3mSource", ("uri",)),
        "cc12m": Kind("pipelines.sources.tsv:Cc12mSource", ("uri",)),
        "tars": Kind("pipelines.sources.tars:TarsSource", ("uri",), ("boxes", "task_bytes")),
        "parquet": Kind(
            "pipelines.sources.parquet.source:ParquetSource",
            ("uri",),
            ("image_column", "url_column", "caption_column", "boxes", "keep"),
        ),
        "folder": Kind("pipelines.sources.folder:FolderSource", ("uri",), ("caption_column", "boxes")),
        "urls": Kind(
            "pipelines.sources.urls.source:UrlsSource", ("uri",), ("url_column", "caption_column", "keep")
        ),
        "huggingface": Kind(
            "pipelines.sources.hub.source:HuggingFaceSource",
            ("uri",),
            ("image_column", "url_column", "caption_column", "boxes", "keep", "split", "subset", "revision"),
        ),
    }

    kind: str = Field(
        description="coco, cc3m, cc12m, tars, parquet, folder, urls, huggingface, or module:Class for a "
        "source of your own"
    )
    uri: str | None = Field(
        None,
        description="tables, tars or folder: a local path or gs://, a glob, or a brace range "
        "(all kinds but coco); huggingface: a data set's folder, or its name on the hub",
    )
    annotations: str | None = Field(None, description="coco: the captions JSON, or a glob of several")
    images: str | None = Field(None, description="coco: the folder of pictures, a zip of it, or a glob")
    image_column: str | None = Field(
        None,
        description="parquet, huggingface: column of encoded pictures, bytes or {bytes, path}; "
        "null: 'image' if there is one, or the only one of images",
    )
    url_column: str | None = Field(
        None,
        description="parquet, huggingface, urls: column of URLs to fetch; null: 'url' if there is no "
        "image column",
    )
    caption_column: str | None = Field(
        None,
        description="parquet, folder, urls, huggingface: column of captions, text or a list; null: the "
        "first of caption, captions, text",
    )
    boxes: str | None = Field(
        None,
        description="boxes around what a picture shows, kept in KEY.json, for motions.focus=subject; coco: "
        "an instances JSON or a glob; parquet, folder: a column, such as objects.bbox; tars: a field of "
        "KEY.json; each box [x, y, width, height] in pixels",
    )
    keep: tuple[str, ...] = Field(
        (),
        description="parquet, urls, huggingface: further columns, whose values KEY.json keeps under "
        "meta.columns, such as [similarity, license]",
    )
    task_bytes: int | None = Field(
        None,
        ge=1_000_000,
        description="tars: bytes of the source in a task, about: larger tars are split, smaller ones joined; "
        "null: one task per tar",
    )
    split: str | None = Field(
        None, description="huggingface: the split; null: train, or the only one that there is"
    )
    subset: str | None = Field(
        None, description="huggingface: the subset (config) of the data set; null: its default one"
    )
    revision: str | None = Field(
        None, description="huggingface: branch, tag or commit of a data set on the hub; null: main"
    )
    limit: int | None = Field(
        None, ge=1, description="only the first so many inputs, to try things out; null: all"
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="module:Class: settings that this class reads"
    )

    @model_validator(mode="after")
    def _fields_fit_kind(self) -> Self:
        check_fields(self)
        if self.task_bytes is not None and self.limit is not None:
            raise ValueError("task_bytes has no effect with limit; leave one of them out")
        return self
