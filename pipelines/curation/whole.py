"""Rules over the whole input: repeated captions, exact and near duplicates.

The worker gives each sample a mark (`survey`), and Beam groups the marks (`pipelines.running.survey_stages`).
The making workers refuse by what was found (`pipelines.curation.verdicts`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Protocol

from pydantic import Field

from pipelines.curation.filters import Filters, Scores, caption_of, look_at, refused
from schemas.records import Reference, SampleError
from transforms.curation.hashes import bytes_mark, caption_mark, perceptual_mark
from transforms.curation.rule import Rule, When
from transforms.settings import ClipSettings

Read = Callable[[], bytes]  # the encoded picture; raises SampleError
Marks = tuple[bytes | None, ...]


class Group(Protocol):
    """The samples that share a mark."""

    @property
    def count(self) -> int:
        """How many there are."""

    @property
    def first(self) -> str:
        """The key of the first in the order of the input."""


class WholeRule(Rule):
    """Base of the rules over the whole input. Their score is the number of samples with an equal mark."""

    whole: ClassVar[bool] = True

    @property
    def distance(self) -> int:
        """Bits by which marks of a group may differ, from one to the next."""
        return 0

    def mark(self, reference: Reference, read: Read, settings: ClipSettings) -> bytes:
        """The mark of a sample: 16 bytes, or 8 where bits are compared. Raises SampleError."""
        raise NotImplementedError

    def refusal_of(self, key: str, count: int, first: str) -> str | None:
        """Why a sample of a group of `count` is refused; `first` is the key of the group's first sample."""
        if key == first:
            return None
        return f"repeats {first}, the first of {count}"


class RepeatedCaptions(WholeRule):
    """Captions that many inputs share. ALIGN drops alt texts of more than 10 pictures (Jia et al. 2021).

    All inputs with such a caption are dropped: it describes none of them.
    """

    name: ClassVar[str] = "repeated_captions"
    when: ClassVar[When] = When.CAPTION
    max: int = Field(10, ge=1, le=1_000_000_000, description="most inputs that share a caption")

    def mark(self, reference: Reference, read: Read, settings: ClipSettings) -> bytes:
        """The mark of the caption that KEY.txt will hold."""
        return caption_mark(caption_of(reference, settings))

    def refusal_of(self, key: str, count: int, first: str) -> str | None:
        """Refuse every sample of a group of more than `max`."""
        if count <= self.max:
            return None
        return f"{count} times in the input, over max={self.max}; first {first}"


class ExactDuplicates(WholeRule):
    """Pictures of equal bytes (SHA-256). The first in the order of the input is kept."""

    name: ClassVar[str] = "exact_duplicates"
    when: ClassVar[When] = When.HEADER

    def mark(self, reference: Reference, read: Read, settings: ClipSettings) -> bytes:
        """Of the encoded picture."""
        return bytes_mark(read())


class NearDuplicates(WholeRule):
    """Pictures whose perceptual hashes differ in few bits. Of pictures that are linked, the first is kept."""

    name: ClassVar[str] = "near_duplicates"
    when: ClassVar[When] = When.PIXELS
    max_distance: int = Field(4, ge=0, le=10, description="most bits of 64 by which two hashes differ")

    @property
    def distance(self) -> int:
        """`max_distance`."""
        return self.max_distance

    def mark(self, reference: Reference, read: Read, settings: ClipSettings) -> bytes:
        """The perceptual hash of the decoded picture."""
        return perceptual_mark(look_at(read(), settings, reference).grey)


WHOLE_RULES = (RepeatedCaptions, ExactDuplicates, NearDuplicates)


def judge_whole(
    rules: Sequence[WholeRule], key: str, found: Mapping[str, Group], scores: Scores
) -> SampleError | None:
    """Keep the scores of a sample, whose groups of two or more are in `found` by filter.

    Returns the error of the first rule that refuses it.
    """
    for rule in rules:
        group = found.get(rule.label)
        if group is None:
            scores[rule.label] = 1.0
            continue
        scores[rule.label] = float(group.count)
        words = rule.refusal_of(key, group.count, group.first)
        if words is not None:
            return refused(rule.label, words)
    return None


def survey(filters: Filters, reference: Reference, read: Read) -> Marks:
    """One mark per rule over the whole input, in the order of the list.

    The filters listed before such a rule are called first. Where one refuses the sample, and where its
    picture cannot be decoded, the mark and those after it are None, and the sample repeats nothing.
    """
    rules = [entry for entry in filters.entries if isinstance(entry, WholeRule)]
    marks: list[bytes | None] = []
    begin = 0
    try:
        for rule in rules:
            end = filters.entries.index(rule)
            before = Filters(filters.entries[begin:end], filters.settings)
            before.check_reference(reference, {})
            if before.on_pictures:
                before.check_picture(reference, read(), {})
            marks.append(rule.mark(reference, read, filters.settings))
            begin = end + 1
    except SampleError:
        pass
    return (*marks, *[None] * (len(rules) - len(marks)))
