import numpy as np
import pytest

from lab.statistics import bootstrap


def test_equal_differences_leave_no_interval() -> None:
    found = bootstrap(np.full((3, 40), 7.0), np.arange(40), times=200)
    assert (found.mean, found.low, found.high) == pytest.approx((7.0, 7.0, 7.0))


def test_the_interval_of_independent_values_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(0).normal(1.0, 1.0, (1, 900))
    found = bootstrap(values, np.arange(900), times=4000)
    assert found.high - found.low == pytest.approx(2 * 1.96 / 30, rel=0.1)
    assert found.low < values.mean() < found.high


def test_queries_of_one_group_count_as_one() -> None:
    group_values = np.random.default_rng(1).normal(0.0, 1.0, 50)
    repeated = np.repeat(group_values, 8)[None]
    groups = np.repeat(np.arange(50), 8)
    wide = bootstrap(repeated, groups, times=2000)
    narrow = bootstrap(repeated, np.arange(400), times=2000)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_a_query_weighs_the_same_in_a_large_group_and_in_a_small_one() -> None:
    values = np.array([[1.0] * 30 + [0.0] * 10])
    found = bootstrap(values, np.repeat(np.arange(4), 10), times=2000)
    assert found.mean == 0.75
    uneven = bootstrap(values, np.array([0] * 20 + [1] * 10 + [2] * 10), times=2000)
    assert (uneven.low, uneven.high) == (0.0, 1.0), "a draw is a share of its queries"


def test_seeds_that_disagree_widen_the_interval() -> None:
    agree = np.zeros((3, 100))
    disagree = np.array([[-5.0], [0.0], [5.0]]) + agree
    assert bootstrap(agree, np.arange(100), times=500).high == 0
    assert bootstrap(disagree, np.arange(100), times=500).high > 2


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(2).normal(size=(2, 30))
    assert bootstrap(values, np.arange(30), times=100) == bootstrap(values, np.arange(30), times=100)
