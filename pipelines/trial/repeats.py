"""Repeats among the tried inputs, as the pass over the whole input would find them there. In memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.curation import groups
from pipelines.curation.scored import Scored
from pipelines.curation.whole import WholeRule


@dataclass(frozen=True)
class Repeat:
    """The verdict of a rule over the whole input on one sample."""

    count: int  # samples of its group, itself included
    refusal: str | None
    first: int  # row of the first sample of the group


def repeats(rules: Sequence[WholeRule], samples: Sequence[Scored]) -> list[dict[str, Repeat]]:
    """Per sample what each rule says of it, by label. A sample without a mark is in no group of its rule."""
    found: list[dict[str, Repeat]] = [{} for _ in samples]
    for number, rule in enumerate(rules):
        marks = [sample.marks[number] for sample in samples]
        rows = np.flatnonzero([mark is not None for mark in marks])
        for row in rows:
            found[row][rule.label] = Repeat(1, None, int(row))
        entries = groups.marked([mark for mark in marks if mark is not None], groups.place_of(0, rows))
        for place, first, count in _grouped(rule, entries).tolist():
            key = samples[place].key
            words = rule.refusal_of(key, count, samples[first].key)
            found[place][rule.label] = Repeat(count, words, first)
    return found


def _grouped(rule: WholeRule, entries: np.ndarray) -> np.ndarray:
    """FOUND of the samples whose marks are equal or near."""
    if rule.name != "near_duplicates" or not len(entries):
        return groups.equal_groups(entries)
    links = [groups.near_links(entries, band, rule.distance) for band in range(rule.distance + 1)]
    return groups.connected(np.unique(np.concatenate(links)))
