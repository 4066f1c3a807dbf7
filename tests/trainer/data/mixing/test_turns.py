"""The order of sets: their shares to within one sample, at any place and for any weights."""

import random

import pytest

from trainer.data.mixing.turns import MAX_PERIOD, Turns, whole_parts

MANY = [random.Random(0).uniform(0.1, 1) for _ in range(6)]


@pytest.mark.parametrize(
    "weights", [(1.0,), (1, 1), (0.7, 0.3), (1, 2, 3), (0.05, 0.9, 0.05), (1 / 3, 2 / 3), MANY]
)
def test_after_any_number_of_samples_each_set_has_its_share_to_within_one(weights):
    turns = Turns(weights)
    assert turns.shares == pytest.approx([weight / sum(weights) for weight in weights], abs=1e-3)
    for samples in range(0, 1300):
        counts = turns.counts(0, samples)
        assert sum(counts) == samples
        assert all(abs(n - samples * share) < 1 for n, share in zip(counts, turns.shares, strict=True))


def test_any_place_of_the_order_can_be_looked_up():
    turns = Turns([0.7, 0.3])
    one_by_one = [turns.counts(place, 1) for place in range(10**9, 10**9 + 64)]
    assert all(sorted(counts) == [0, 1] for counts in one_by_one)
    together = [sum(counts[index] for counts in one_by_one) for index in range(2)]
    assert turns.counts(10**9, 64) == together


def test_weights_become_whole_numbers_in_the_same_ratio():
    assert whole_parts([0.7, 0.3]) == [7, 3]
    assert whole_parts([2, 4]) == [1, 2]
    assert whole_parts([0.5]) == [1]
    assert whole_parts([1e-9, 1]) == [1, MAX_PERIOD], "a set with a weight is never left out"
