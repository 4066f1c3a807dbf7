"""The result of trying filters: per filter its scores, what it drops, and examples around its threshold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipelines.curation.config import dump_filters, whole_rules
from pipelines.curation.filters import Entry, takes_picture
from pipelines.curation.scored import Scored
from pipelines.trial.repeats import Repeat, repeats
from schemas.records import Failure
from transforms.curation.rule import Rule, When, rounded

SHARES = (1, 5, 10, 25)  # percent of samples whose thresholds are given
EXAMPLES = 4  # of a filter, on either side of its threshold


@dataclass(frozen=True)
class Example:
    """One sample next to a threshold."""

    key: str
    caption: str
    thumbnail: bytes  # JPEG; empty if no filter needs the picture
    score: float | None  # None for a user's own filter
    refusal: str = ""  # why the filter drops it; "" if it keeps it
    original: bytes = b""  # the thumbnail of the picture that it repeats


@dataclass(frozen=True)
class Tried:
    """One filter over all samples."""

    label: str
    described: str  # with its thresholds
    low: float | None  # scores under it are dropped
    high: float | None  # scores over it are dropped
    scores: np.ndarray  # float64 [samples that it scored]; empty for a user's own filter
    drops: np.ndarray  # bool, of the same samples
    dropped: int  # samples that it drops, whatever the others do
    first: int  # samples that a job would drop by it: no filter before it drops them
    alone: int  # samples that no other filter drops
    nearest_kept: tuple[Example, ...]  # nearest to the threshold first
    nearest_dropped: tuple[Example, ...]

    @property
    def cuts(self) -> dict[int, float]:
        """Percent of the samples -> threshold that drops about so many: `min` if there is one, else `max`.

        Empty without a threshold or scores.
        """
        if not len(self.scores) or (self.low is None and self.high is None):
            return {}
        shares: Sequence[int] = SHARES
        if self.low is None:
            shares = [100 - share for share in SHARES]
        values = np.percentile(self.scores, shares).tolist()
        return {share: rounded(value) for share, value in zip(SHARES, values, strict=True)}


@dataclass(frozen=True)
class Trial:
    """All filters over all samples."""

    inputs: int
    kept: int
    dropped: int
    filters: tuple[Tried, ...]
    values: tuple[Any, ...]  # the field `filters`, every default written out
    failures: Mapping[str, int] = field(default_factory=dict)  # "stage/reason" -> inputs without a picture
    examples: Mapping[str, str] = field(default_factory=dict)  # "stage/reason" -> key and detail of one

    @property
    def failed(self) -> int:
        """Inputs that no filter drops and that a job could not make a clip of."""
        return sum(self.failures.values())


@dataclass
class _Verdicts:
    """One sample: its scores and refusals by all filters, also those over the whole input."""

    sample: Scored
    scores: dict[str, float]
    refusals: dict[str, str]
    originals: dict[str, bytes]  # thumbnails of the pictures that it repeats


def sum_up(entries: Sequence[Entry], samples: Sequence[Scored], failures: Sequence[Failure]) -> Trial:
    """Count what each filter drops. `failures` are inputs that no filter could be called on."""
    found = repeats(whole_rules(entries), samples)
    judged = [_judge(samples, row, of_sample) for row, of_sample in enumerate(found)]
    order = in_order(entries)
    reasons: Counter[str] = Counter()
    examples: dict[str, str] = {}
    firsts: Counter[str] = Counter()
    for one in judged:
        first = next((name for name in order if name in one.refusals), None)
        if first is not None:
            firsts[first] += 1
        elif one.sample.failure is not None:
            _add_failure(reasons, examples, one.sample.failure)
    for failure in failures:
        _add_failure(reasons, examples, failure)
    dropped = sum(firsts.values())
    inputs = len(samples) + len(failures)
    tried = tuple(_tried(entry, judged, firsts[label_of(entry)]) for entry in entries)
    kept = inputs - dropped - sum(reasons.values())
    values = tuple(dump_filters(entries))
    return Trial(
        inputs=inputs,
        kept=kept,
        dropped=dropped,
        filters=tried,
        values=values,
        failures=dict(reasons),
        examples=examples,
    )


def in_order(entries: Sequence[Entry]) -> list[str]:
    """The labels of filters in the order in which a job calls them."""
    others = [entry for entry in entries if not (isinstance(entry, Rule) and entry.whole)]
    others.sort(key=_stage)
    return [label_of(entry) for entry in (*whole_rules(entries), *others)]


def label_of(entry: Entry) -> str:
    """The name of a filter's score: that of the rule, or the path of a user's own."""
    if isinstance(entry, Rule):
        return entry.label
    return entry


def _stage(entry: Entry) -> When:
    if isinstance(entry, Rule):
        return entry.when
    if takes_picture(entry):
        return When.PIXELS
    return When.CAPTION


def _judge(samples: Sequence[Scored], row: int, found: Mapping[str, Repeat]) -> _Verdicts:
    sample = samples[row]
    one = _Verdicts(sample, dict(sample.scores), dict(sample.refusals), {})
    for name, repeat in found.items():
        one.scores[name] = float(repeat.count)
        if repeat.refusal is not None:
            one.refusals[name] = repeat.refusal
        if repeat.first != row:
            one.originals[name] = samples[repeat.first].thumbnail
    return one


def _add_failure(reasons: Counter[str], examples: dict[str, str], failure: Failure) -> None:
    name = f"{failure.stage}/{failure.reason}"
    reasons[name] += 1
    examples.setdefault(name, f"{failure.key}: {failure.detail}")


def _tried(entry: Entry, judged: Sequence[_Verdicts], first: int) -> Tried:
    label = label_of(entry)
    scored = [one for one in judged if label in one.scores]
    dropped = [one for one in judged if label in one.refusals]
    low, high = getattr(entry, "min", None), getattr(entry, "max", None)
    kept = [one for one in scored if label not in one.refusals]
    is_whole = isinstance(entry, Rule) and entry.whole
    return Tried(
        label=label,
        described=str(entry),
        low=low,
        high=high,
        scores=np.array([one.scores[label] for one in scored], np.float64),
        drops=np.array([label in one.refusals for one in scored], bool),
        dropped=len(dropped),
        first=first,
        alone=sum(len(one.refusals) == 1 for one in dropped),
        nearest_kept=() if is_whole else _nearest(label, kept, low, high),
        nearest_dropped=_nearest(label, dropped, low, high),
    )


def _nearest(
    label: str, samples: Sequence[_Verdicts], low: float | None, high: float | None
) -> tuple[Example, ...]:
    """The samples whose scores are nearest to a threshold, each caption once while there are others."""
    bounds = [bound for bound in (low, high) if bound is not None]

    def distance(one: _Verdicts) -> float:
        score = one.scores.get(label)
        if score is None or not bounds:
            return 0.0
        return min(abs(score - bound) for bound in bounds)

    nearest = sorted(samples, key=distance)[: 16 * EXAMPLES]
    seen: set[str] = set()
    fresh: list[_Verdicts] = []
    again: list[_Verdicts] = []
    for one in nearest:
        if one.sample.caption in seen:
            again.append(one)
        else:
            fresh.append(one)
        seen.add(one.sample.caption)
    return tuple(_example(label, one) for one in (*fresh, *again)[:EXAMPLES])


def _example(label: str, one: _Verdicts) -> Example:
    sample = one.sample
    return Example(
        key=sample.key,
        caption=sample.caption,
        thumbnail=sample.thumbnail,
        score=one.scores.get(label),
        refusal=one.refusals.get(label, ""),
        original=one.originals.get(label, b""),
    )
