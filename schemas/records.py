"""The records that travel between the stages of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from schemas.text import one_line, valid_text


class Stage(StrEnum):
    """Where in a job a sample failed."""

    PLAN = "plan"  # the index row itself
    READ = "read"  # reading the picture from a file, tar, zip or table
    FETCH = "fetch"  # over the network
    DECODE = "decode"
    CAPTION = "caption"
    FILTER = "filter"
    RENDER = "render"
    ENCODE = "encode"
    TASK = "task"  # the task of the sample failed as a whole


class Reason(StrEnum):
    """Why a sample failed. One word per cause, so that a table by reason says how to fix it."""

    MALFORMED_ROW = "malformed_row"
    NOT_UTF8 = "not_utf8"
    ROW_TOO_LONG = "row_too_long"
    EMPTY_CAPTION = "empty_caption"
    MISSING_CAPTION = "missing_caption"
    MISSING_IMAGE = "missing_image"
    DUPLICATE_KEY = "duplicate_key"
    UNREADABLE = "unreadable"  # the archive or table around the picture is broken
    BAD_URL = "bad_url"
    UNSUPPORTED_SCHEME = "unsupported_scheme"
    REFUSED_ADDRESS = "refused_address"
    DNS_ERROR = "dns_error"
    CONNECTION_ERROR = "connection_error"
    TLS_ERROR = "tls_error"
    TIMEOUT = "timeout"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    TOO_LARGE = "too_large"
    OPTED_OUT = "opted_out"
    HTTP_ERROR = "http_error"  # a status without a reason of its own; the detail holds the status
    HTTP_400 = "http_400"
    HTTP_401 = "http_401"
    HTTP_403 = "http_403"
    HTTP_404 = "http_404"
    HTTP_410 = "http_410"
    HTTP_429 = "http_429"
    HTTP_500 = "http_500"
    HTTP_502 = "http_502"
    HTTP_503 = "http_503"
    HTTP_504 = "http_504"
    EMPTY_BODY = "empty_body"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_SMALL = "too_small"
    BAD_ASPECT = "bad_aspect"
    FILTERED = "filtered"
    NOT_A_VIDEO = "not_a_video"
    NO_FRAMES = "no_frames"
    MISSING_VIDEO = "missing_video"
    DECODER_TIMEOUT = "decoder_timeout"  # took longer than limits.seconds
    DECODER_MEMORY = "decoder_memory"  # needed more than limits.memory_mb
    DECODER_CRASH = "decoder_crash"  # ended the process that made it
    TASK_FAILED = "task_failed"  # its task failed several times; the detail holds the last error
    ERROR = "error"  # anything unforeseen; the detail holds the exception


@dataclass(frozen=True)  # without slots, which slow pickling down; workers get and send many
class Failure:
    """A sample that did not become a clip. It is data, never an exception that ends the job."""

    key: str
    stage: Stage
    reason: Reason
    detail: str = ""  # one line, at most 300 characters
    url: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)  # of the filters that were called, by name

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", one_line(self.detail, 300))
        if self.url is not None:
            object.__setattr__(self, "url", valid_text(self.url))


class SampleError(Exception):
    """Raised inside a stage for one sample; the job turns it into a `Failure`."""

    def __init__(self, stage: Stage, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{stage}: {reason}: {detail}")
        self.stage, self.reason, self.detail = stage, reason, detail

    def failure(self, key: str, url: str | None = None) -> Failure:
        """The same as data."""
        return Failure(key, self.stage, self.reason, self.detail, url)

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return (SampleError, (self.stage, self.reason, self.detail))


@dataclass(frozen=True)
class Reference:
    """One picture with its captions, not yet fetched or decoded.

    Exactly one of `image`, `path` and `url` is set.
    """

    key: str  # from [a-z0-9_-], unique in the source, sorting in source order
    captions: tuple[str, ...]  # raw, at least one
    source: str  # the kind of source: coco, cc3m, ...
    image: bytes | None = None  # the encoded picture
    path: str | None = None  # a file to read, local or by URI
    url: str | None = None  # where it can be (or was) fetched; fetched only if image and path are None
    image_id: str | None = None  # equal ids are the same picture: no negatives of each other
    meta: Mapping[str, Any] = field(default_factory=dict)  # further JSON values for KEY.json, under "meta"
    captions_file: str | None = None  # its lines are the captions; set only where `captions` is still empty


def failure_of(reference: Reference, error: Exception, stage: Stage) -> Failure:
    """An exception as the failure of one sample."""
    if isinstance(error, SampleError):
        return error.failure(reference.key, reference.url)
    return Failure(reference.key, stage, Reason.ERROR, f"{type(error).__name__}: {error}", reference.url)


@dataclass(frozen=True, slots=True)
class Task:
    """The work of one shard. It holds references, and never image bytes."""

    index: int  # position in the plan; shard names derive from it
    samples: int  # number of inputs; an estimate if `exact` is False
    payload: Mapping[str, Any]  # plain JSON values that the source's `read` understands
    exact: bool = True
    keys: tuple[str, ...] | None = None  # if set (retry), only these keys are made
    origin: int | None = None  # of a retry: the task of the plan that it makes again
    # (name, identity) of inputs or files of the source, see `pipelines.sources.growth`; not part of the plan.
    marks: tuple[tuple[str, str], ...] = field(default=(), compare=False)
