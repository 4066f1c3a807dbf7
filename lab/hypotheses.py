"""The hypotheses of docs/lab.md, written before the first run, and the rule that judges them."""

from __future__ import annotations

from dataclasses import dataclass

from lab.statistics import Interval

NO_LOSS = -2.0  # percent points: a loss smaller than this counts as none
SUPPORTED, REFUTED, OPEN = "supported", "refuted", "undecided"


@dataclass(frozen=True)
class Term:
    """One cell of the table."""

    arm: str
    test: str
    head: str = "dual"
    tuned: bool = False  # after fine-tuning on the smallest set of videos, else zero-shot
    less_dual: bool = False  # what this ranking adds to the dual encoder's


@dataclass(frozen=True)
class Hypothesis:
    """`plus` is above `minus` by more than `margin` percent points; with `equal`, it is within the margin."""

    text: str
    plus: Term
    minus: Term | float  # a cell, or percent
    margin: float = 0.0
    equal: bool = False

    @property
    def _terms(self) -> list[Term]:
        return [term for term in (self.plus, self.minus) if isinstance(term, Term)]

    @property
    def arms(self) -> set[str]:
        """The arms that it compares."""
        return {term.arm for term in self._terms}

    @property
    def heads(self) -> set[str]:
        """The rankings that it compares."""
        return {term.head for term in self._terms}

    @property
    def tuned(self) -> bool:
        """Does it need fine-tuned models?"""
        return any(term.tuned for term in self._terms)


CHANCE_OF_MOTION = 12.5
NEAR_CHANCE = 3.0  # percent points around chance that count as chance


def _stays_at_chance(arm: str) -> Hypothesis:
    text = f"motion, zero-shot: {arm} stays at chance (within {NEAR_CHANCE:g} points)"
    return Hypothesis(text, Term(arm, "motion"), CHANCE_OF_MOTION, margin=NEAR_CHANCE, equal=True)


HYPOTHESES = (
    Hypothesis("content, zero-shot: animated > held", Term("animated", "content"), Term("held", "content")),
    Hypothesis("content, zero-shot: held > static", Term("held", "content"), Term("static", "content")),
    Hypothesis(
        "content, zero-shot: animated > static", Term("animated", "content"), Term("static", "content")
    ),
    Hypothesis(
        "content, zero-shot: re-ranking gains more from animated than from static",
        Term("animated", "content", "fine", less_dual=True),
        Term("static", "content", "fine", less_dual=True),
    ),
    Hypothesis(
        "motion, zero-shot: negatives > chance",
        Term("negatives", "motion"),
        CHANCE_OF_MOTION,
        margin=NEAR_CHANCE,
    ),
    *(_stays_at_chance(arm) for arm in ("static", "held", "animated", "phrases")),
    Hypothesis(
        "motion, after the smaller tuning set: negatives > static",
        Term("negatives", "motion", tuned=True),
        Term("static", "motion", tuned=True),
    ),
    Hypothesis(
        "order, after the smaller tuning set: negatives > static",
        Term("negatives", "order", tuned=True),
        Term("static", "order", tuned=True),
    ),
    Hypothesis(
        "still, zero-shot: animated loses less than 2 points to none",
        Term("animated", "still"),
        Term("none", "still"),
        margin=NO_LOSS,
    ),
)


def verdict(hypothesis: Hypothesis, interval: Interval) -> str:
    """Judge by the interval: supported, refuted or undecided."""
    margin = hypothesis.margin
    if hypothesis.equal:
        if -margin <= interval.low and interval.high <= margin:
            return SUPPORTED
        outside = interval.low > margin or interval.high < -margin
        if outside:
            return REFUTED
        return OPEN
    if interval.low > margin:
        return SUPPORTED
    if interval.high < margin:
        return REFUTED
    return OPEN
