import pytest

from lab.hypotheses import HYPOTHESES, Hypothesis, Term, verdict
from lab.statistics import Interval

ABOVE = Hypothesis("a > b", Term("static", "content"), Term("held", "content"))
EQUAL = Hypothesis("a = b", Term("static", "content"), 12.5, margin=3.0, equal=True)
NO_LOSS = Hypothesis("a > b - 2", Term("static", "content"), Term("held", "content"), margin=-2.0)


@pytest.mark.parametrize(
    ("hypothesis", "low", "high", "word"),
    [
        (ABOVE, 0.1, 3.0, "supported"),
        (ABOVE, -0.1, 3.0, "undecided"),
        (ABOVE, -3.0, -0.1, "refuted"),
        (EQUAL, -2.9, 2.9, "supported"),
        (EQUAL, -2.9, 3.1, "undecided"),
        (EQUAL, 3.1, 9.0, "refuted"),
        (NO_LOSS, -1.9, 3.0, "supported"),
        (NO_LOSS, -9.0, -2.1, "refuted"),
    ],
)
def test_the_interval_decides(hypothesis: Hypothesis, low: float, high: float, word: str) -> None:
    assert verdict(hypothesis, Interval((low + high) / 2, low, high)) == word


def test_each_hypothesis_names_its_arms() -> None:
    assert len({hypothesis.text for hypothesis in HYPOTHESES}) == len(HYPOTHESES)
    assert all(hypothesis.arms for hypothesis in HYPOTHESES)
