"""The part of the main job that runs in worker processes: an encoded picture or its path in, a finished sample out.

Imports transforms and schemas, and no Beam, torch or pyarrow: every worker process would load it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from pipelines.making.filters import Filters, load_filters
from pipelines.making.maker import Made
from pipelines.making.worker import is_memory_error
from schemas.errors import JobError
from schemas.records import Failure, Reason, Reference, SampleError, Stage
from schemas.text import valid_json, valid_text
from transforms.clip import ClipSettings, Prepared, finish, prepare, render_clip, sample_row
from transforms.media.pictures import decode
from transforms.rendering.opencv import prepare_worker

MAX_PICTURE_BYTES = 256 * 1024 * 1024  # of an encoded picture in a file
Given = tuple[Reference, bytes | None]  # a reference and its picture; None: to be read from its path
Times = list[tuple[str, float]]  # stage, seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one sample, and how long each stage took."""

    value: Any  # Made, Failure, or what the next stage needs
    times: Times


@dataclass
class ClipMaker:
    """The target of the workers. Picklable."""

    settings: ClipSettings
    filters: tuple[str, ...] = ()
    checks_references: bool = True  # here; False: that was done before the picture was fetched
    _filters: Filters = field(default_factory=Filters, init=False, repr=False)

    def setup(self) -> None:
        """One thread per process, and the filters with the models that they load."""
        prepare_worker()
        self._filters = load_filters(self.filters)

    def check(self, item: Given) -> Answer:
        """Call the filters that need no picture: the reference itself, or its Failure."""
        steps = _Steps(item[0], Stage.FILTER)
        with steps.failing():
            self._filters.check_reference(item[0])
            steps.value = item[0]
        return steps.answer()

    def make(self, item: Given) -> Answer:
        """The whole way of one sample: a Made or its Failure."""
        steps = _Steps(item[0], Stage.FILTER)
        with steps.failing():
            clip = self._prepared(item, steps)
            steps.stage = Stage.RENDER
            with steps.timed("render"):
                frames_THWC = render_clip(clip, device="cpu")
            steps.value = self._finished(steps, clip, frames_THWC, "cpu")
        return steps.answer()

    def prepare(self, item: Given) -> Answer:
        """What a GPU needs to render the sample: the reference and a Prepared, or its Failure."""
        steps = _Steps(item[0], Stage.FILTER)
        with steps.failing():
            steps.value = (replace(item[0], image=None), self._prepared(item, steps))
        return steps.answer()

    def finish(self, item: tuple[Reference, Prepared, NDArray[Any], str]) -> Answer:
        """Encode what a GPU rendered: a Made or its Failure."""
        reference, clip, frames_THWC, device = item
        steps = _Steps(reference, Stage.ENCODE)
        with steps.failing():
            steps.value = self._finished(steps, clip, frames_THWC, device)
        return steps.answer()

    def _prepared(self, item: Given, steps: _Steps) -> Prepared:
        reference, data = item
        if self.checks_references:
            self._filters.check_reference(reference)
        steps.stage = Stage.READ
        if data is None:
            with steps.timed("read"):
                data = read_reference(reference)
        steps.stage = Stage.DECODE
        with steps.timed("decode"):
            if self._filters.on_pictures:
                self._filters.check_picture(reference, decode(data, self.settings.pictures))
            return prepare(data, storable(reference), self.settings)

    def _finished(self, steps: _Steps, clip: Prepared, frames_THWC: Any, device: str) -> Made:
        steps.stage = Stage.ENCODE
        with steps.timed("encode"):
            done = finish(clip, frames_THWC, self.settings, device=device)
            return Made(steps.reference.key, done.members, sample_row(done, ""))


@dataclass
class _Steps:
    """One sample on its way: the stage that it is in, the times so far, and what became of it."""

    reference: Reference
    stage: Stage
    value: Any = None
    times: Times = field(default_factory=list)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.times.append((stage, time.perf_counter() - start))

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Turn what a stage raises into the sample's Failure. What ends the job, and want of memory, pass."""
        try:
            yield
        except JobError:
            raise
        except Exception as error:  # decoders of hostile bytes, and a user's filter, raise anything
            if is_memory_error(error):
                raise
            self.value = failure_of(self.reference, error, self.stage)

    def answer(self) -> Answer:
        return Answer(self.value, self.times)


def failure_of(reference: Reference, error: Exception, stage: Stage) -> Failure:
    """An exception as the failure of one sample."""
    if isinstance(error, SampleError):
        return error.failure(reference.key, reference.url)
    return Failure(reference.key, stage, Reason.ERROR, f"{type(error).__name__}: {error}", reference.url)


def read_reference(reference: Reference) -> bytes:
    """The encoded picture of a reference in memory or in a local file. Raises SampleError (stage read)."""
    if reference.image is not None:
        return reference.image
    if reference.path is None:
        raise SampleError(
            Stage.READ, Reason.MISSING_IMAGE, "the source gave neither a picture, a path nor a url to fetch"
        )
    return _read_file(reference.path)


def storable(reference: Reference) -> Reference:
    """The reference with every text that UTF-8 cannot hold mended: KEY.json and Parquet could not store it."""
    return replace(
        reference,
        captions=tuple(map(valid_text, reference.captions)),
        url=None if reference.url is None else valid_text(reference.url),
        image_id=None if reference.image_id is None else valid_text(reference.image_id),
        meta=valid_json(reference.meta),
    )


def _read_file(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > MAX_PICTURE_BYTES:
                raise SampleError(Stage.READ, Reason.TOO_LARGE, f"{path}: over {MAX_PICTURE_BYTES} bytes")
            data = stream.read(size)
    except (FileNotFoundError, NotADirectoryError):
        raise SampleError(Stage.READ, Reason.MISSING_IMAGE, f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        text = getattr(error, "strerror", None) or error
        raise SampleError(Stage.READ, Reason.UNREADABLE, f"{path}: {text}") from None
    if not data:
        raise SampleError(Stage.READ, Reason.EMPTY_BODY, f"{path}: an empty file")
    return data
