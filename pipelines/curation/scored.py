"""The score of every filter on one sample, whatever the others say: for trying filters without clips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.curation.filters import Filters, Own, caption_of, look_at, words_of
from pipelines.curation.whole import Marks, Read, survey
from schemas.records import Failure, Reference, SampleError
from transforms.curation.rule import Look, When, rounded, shrunk
from transforms.media.encode import encode_picture
from transforms.media.pictures import decode

SIDE = 160  # shorter side of a thumbnail, pixels
QUALITY = 75  # of a thumbnail's JPEG


@dataclass(frozen=True)
class Scored:
    """One sample and what each filter says of it."""

    key: str
    caption: str
    marks: Marks  # of the rules over the whole input, in the order of the list
    scores: Mapping[str, float] = field(default_factory=dict)
    refusals: Mapping[str, str] = field(default_factory=dict)  # filter -> why it drops the sample
    thumbnail: bytes = b""  # JPEG; empty where no filter needs the picture
    failure: Failure | None = None  # why its picture has no scores

    @property
    def size(self) -> int:
        """Bytes that a message carries."""
        return len(self.thumbnail)


def score_sample(filters: Filters, reference: Reference, read: Read) -> Scored:
    """Call every filter on a sample. A picture that cannot be read or decoded is the `failure` of the result.

    Raises SampleError for a sample without a caption, and JobError for a filter that returns no verdict.
    """
    scores: dict[str, float] = {}
    refusals: dict[str, str] = {}
    caption = caption_of(reference, filters.settings)
    _call(filters, (When.CAPTION,), reference, Look(caption=caption), b"", scores, refusals)
    thumbnail, failure = b"", None
    if any(entry.when > When.CAPTION for entry in filters.entries):
        try:
            data = read()
            look = look_at(data, filters.settings, reference)
            stages = (When.HEADER, When.PIXELS, When.MODEL)
            _call(filters, stages, reference, look, data, scores, refusals)
            assert look.image_HWC is not None  # noqa: S101 - narrows the type
            thumbnail = encode_picture(shrunk(look.image_HWC, SIDE), "jpg", QUALITY)
        except SampleError as error:
            failure = error.failure(reference.key, reference.url)
    marks = survey(filters, reference, read)
    return Scored(
        key=reference.key,
        caption=caption,
        marks=marks,
        scores=scores,
        refusals=refusals,
        thumbnail=thumbnail,
        failure=failure,
    )


def _call(
    filters: Filters,
    stages: tuple[When, ...],
    reference: Reference,
    look: Look,
    data: bytes,
    scores: dict[str, float],
    refusals: dict[str, str],
) -> None:
    """Call the filters of some stages. Add their scores and, if they refuse the sample, their reasons."""
    for entry in filters.at(*stages):
        if isinstance(entry, Own):
            words = _own(entry, reference, data, filters)
            if words is not None:
                refusals[entry.path] = words
            continue
        score = rounded(entry.score(look))
        scores[entry.label] = score
        refusal = entry.refusal(score)
        if refusal is not None:
            refusals[entry.label] = refusal


def _own(entry: Own, reference: Reference, data: bytes, filters: Filters) -> str | None:
    if entry.takes_picture:
        return words_of(entry.path, entry.call(reference, decode(data, filters.settings.pictures)))
    return words_of(entry.path, entry.call(reference))
