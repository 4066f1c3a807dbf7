"""The main job in a worker process: an encoded picture or its path in, a finished sample out.

Imports transforms and schemas, and no Beam, torch or pyarrow: every worker process would load it.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from pipelines.curation.filters import Entry, Filters, load_filters
from pipelines.curation.scored import score_sample
from pipelines.curation.whole import Read, survey
from pipelines.making.maker import Made
from pipelines.making.messages import Answer, Checked, Decoded, Given, Rendered
from pipelines.sources.annotations.texts import with_captions
from pipelines.workers.arena import opened, place
from pipelines.workers.worker import is_memory_error
from schemas.errors import JobError
from schemas.records import Reason, Reference, SampleError, Stage, failure_of
from schemas.text import valid_json, valid_or_none, valid_text
from storage.read import MAX_PICTURE_BYTES, read_picture
from transforms.clip import Clip, Planned, Prepared, encode, load, plan, render_clip, with_texts
from transforms.rendering.opencv import prepare_worker
from transforms.rows import sample_row
from transforms.settings import ClipSettings

WAITING_BYTES = 4 << 20  # of a sample that waits for the others of its handful between two stages


@dataclass
class ClipMaker:
    """The target of the workers. Picklable."""

    settings: ClipSettings
    filters: tuple[Entry, ...] = ()
    picture_bytes: int = MAX_PICTURE_BYTES
    _filters: Filters = field(default_factory=Filters, init=False, repr=False)

    def setup(self) -> None:
        """One thread per process, and the filters with the models that they load."""
        prepare_worker()
        self._filters = load_filters(self.filters, self.settings)

    def check(self, item: Checked) -> Answer:
        """Call the filters that need no picture: a Checked with their scores, or the sample's Failure."""
        steps = _Steps(item.reference, Stage.FILTER, scores=dict(item.scores))
        with steps.failing():
            self._filters.check_reference(item.reference, steps.scores)
            steps.value = Checked(item.reference, steps.scores)
        return steps.answer()

    def survey(self, item: Given) -> Answer:
        """The marks of a sample, for the pass over the whole input."""
        steps = _Steps(item.reference, Stage.FILTER)
        with steps.failing():
            reference, read = self._opened(item)
            steps.value = survey(self._filters, reference, read)
        return steps.answer()

    def score(self, item: Given) -> Answer:
        """Call every filter on a sample: a Scored, or the Failure of one that has no caption."""
        steps = _Steps(item.reference, Stage.FILTER)
        with steps.failing():
            reference, read = self._opened(item)
            steps.value = score_sample(self._filters, reference, read)
        return steps.answer()

    def make(self, item: Given) -> Generator[None, None, Answer]:
        """The whole way of one sample: a Made or its Failure.

        A generator of three stages: the plan, the pixels, the framing for the shard.
        """
        steps = _Steps(item.reference, Stage.FILTER, scores=dict(item.scores))
        with steps.failing():
            planned = self._planned(item, steps)
            if len(planned.data) <= WAITING_BYTES:
                yield
            clip = self._loaded(planned, steps)
            steps.stage = Stage.RENDER
            with steps.timed("render"):
                frames_THWC = render_clip(clip, device="cpu")
            encoded = self._encoded(steps, clip, frames_THWC, "cpu")
            if sum(map(len, encoded.members.values())) <= WAITING_BYTES:
                del planned, clip, frames_THWC
                yield
            steps.value = self._framed(steps, encoded)
        return steps.answer()

    def prepare(self, item: Given) -> Answer:
        """The input for rendering on a GPU: a Decoded, or the sample's Failure."""
        steps = _Steps(item.reference, Stage.FILTER, scores=dict(item.scores))
        with steps.failing():
            clip = self._loaded(self._planned(item, steps), steps)
            assert clip.image_HWC is not None  # noqa: S101 - narrows the type
            pixels = place(clip.image_HWC, item.slot)
            reference = replace(item.reference, image=None)
            steps.value = Decoded(reference, replace(clip, image_HWC=None), pixels, item.slot)
        return steps.answer()

    def finish(self, item: Rendered) -> Answer:
        """Encode what a GPU rendered: a Made or its Failure."""
        steps = _Steps(item.reference, Stage.ENCODE, scores=dict(item.clip.meta.scores))
        with steps.failing():
            encoded = self._encoded(steps, item.clip, opened(item.frames_THWC), item.device)
            steps.value = self._framed(steps, encoded)
        return steps.answer()

    def _opened(self, item: Given) -> tuple[Reference, Read]:
        """The reference with its captions, and a function that gives its encoded picture."""

        def read() -> bytes:
            if item.failure is not None:
                raise SampleError(item.failure.stage, item.failure.reason, item.failure.detail)
            if item.picture is not None:
                return item.picture
            return read_reference(item.reference, self.picture_bytes)

        reference = item.reference
        if reference.captions_file is not None:
            reference = with_captions(reference)
        return reference, read

    def _planned(self, item: Given, steps: _Steps) -> Planned:
        reference, data = item.reference, item.picture
        if reference.captions_file is not None:
            steps.stage = Stage.CAPTION
            with steps.timed("read"):
                reference = with_captions(reference)
            steps.stage = Stage.FILTER
        if not item.is_checked:
            self._filters.check_reference(reference, steps.scores)
        steps.stage = Stage.READ
        if data is None:
            with steps.timed("read"):
                data = read_reference(reference, self.picture_bytes)
        steps.stage = Stage.DECODE
        with steps.timed("decode"):
            self._filters.check_picture(reference, data, steps.scores)
            return plan(data, storable(reference), self.settings, scores=steps.scores)

    def _loaded(self, planned: Planned, steps: _Steps) -> Prepared:
        with steps.timed("decode"):
            return load(planned, self.settings)

    def _encoded(self, steps: _Steps, clip: Prepared, frames_THWC: Any, device: str) -> Clip:
        steps.stage = Stage.ENCODE
        with steps.timed("encode"):
            return encode(clip, frames_THWC, self.settings, device=device)

    def _framed(self, steps: _Steps, encoded: Clip) -> Made:
        with steps.timed("encode"):
            done = with_texts(encoded)
            return Made.of(steps.reference.key, done.members, sample_row(done, ""))


class _Timer:
    """Adds the time of a block to that of its stage. A class takes a third of the time of a generator."""

    def __init__(self, seconds: dict[str, float], stage: str) -> None:
        self._seconds, self._stage = seconds, stage

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        before = self._seconds.get(self._stage, 0.0)
        self._seconds[self._stage] = before + time.perf_counter() - self._began


@dataclass
class _Steps:
    """One sample on its way: the stage that it is in, the times so far, and what became of it."""

    reference: Reference
    stage: Stage
    value: Any = None
    seconds: dict[str, float] = field(default_factory=dict)  # by stage
    scores: dict[str, float] = field(default_factory=dict)

    def timed(self, stage: str) -> _Timer:
        return _Timer(self.seconds, stage)

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Turn exceptions of a stage into the sample's Failure. JobError and MemoryError pass."""
        try:
            yield
        except JobError:
            raise
        except Exception as error:  # decoders of hostile bytes, and a user's filter, raise anything
            if is_memory_error(error):
                raise
            failure = failure_of(self.reference, error, self.stage)
            if self.scores:
                self.value = replace(failure, scores=self.scores)
            else:
                self.value = failure

    def answer(self) -> Answer:
        return Answer(self.value, list(self.seconds.items()))


def read_reference(reference: Reference, max_bytes: int = MAX_PICTURE_BYTES) -> bytes:
    """The encoded picture of a reference, from memory or a file. Raises SampleError (stage read)."""
    if reference.image is not None:
        return reference.image
    if reference.path is None:
        raise SampleError(
            Stage.READ, Reason.MISSING_IMAGE, "the source gave neither a picture, a path nor a url to fetch"
        )
    return read_picture(reference.path, max_bytes)


def storable(reference: Reference) -> Reference:
    """The reference with every text made valid UTF-8, as KEY.json and Parquet require."""
    return replace(
        reference,
        captions=tuple(map(valid_text, reference.captions)),
        url=valid_or_none(reference.url),
        image_id=valid_or_none(reference.image_id),
        meta=valid_json(reference.meta),
    )
