"""Groups of marks, against a search that compares every pair."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.curation.groups import band_of, connected, equal_groups, marked, near_links, place_of


def entries(hashes: np.ndarray, *, reverse: bool = False) -> np.ndarray:
    found = marked([int(value).to_bytes(8, "big") for value in hashes], np.arange(len(hashes)))
    return found[::-1] if reverse else found


def by_brute_force(hashes: np.ndarray, distance: int) -> dict[int, tuple[int, int]]:
    """Place -> (first, count) of every group of two or more."""
    group = list(range(len(hashes)))
    near = np.bitwise_count(hashes[:, None] ^ hashes[None]) <= distance
    for a, b in zip(*np.nonzero(near), strict=True):
        low, high = sorted((group[a], group[b]))
        group = [low if one == high else one for one in group]
    return {place: (first, group.count(first)) for place, first in enumerate(group) if group.count(first) > 1}


def found_by_bands(hashes: np.ndarray, distance: int, *, reverse: bool = False) -> dict[int, tuple[int, int]]:
    some = entries(hashes, reverse=reverse)
    links = np.concatenate([near_links(some, band, distance) for band in range(distance + 1)])
    return {place: (first, count) for place, first, count in connected(links).tolist()}


@pytest.mark.parametrize("distance", [0, 1, 4, 10])
@pytest.mark.parametrize("reverse", [False, True])
def test_banding_finds_what_comparing_every_pair_finds(distance, reverse):
    rng = np.random.default_rng(distance)
    hashes = rng.integers(0, 2**63, 60, dtype=np.uint64)
    flips = [
        np.uint64(sum(1 << int(bit) for bit in rng.choice(64, rng.integers(0, 12), replace=False)))
        for _ in range(120)
    ]
    hashes = np.concatenate([hashes, hashes[rng.integers(0, 60, 120)] ^ np.array(flips)])
    rng.shuffle(hashes)
    expected = by_brute_force(hashes, distance)
    assert len(expected) > 10
    assert found_by_bands(hashes, distance, reverse=reverse) == expected


def test_a_chain_is_one_group_and_its_first_is_kept():
    chain = np.array([0b1111, 0b0011, 0b0000], np.uint64)
    assert found_by_bands(chain, 2) == {0: (0, 3), 1: (0, 3), 2: (0, 3)}
    assert found_by_bands(chain[[0, 2]], 2) == {}


def test_a_long_chain_is_found_to_its_end():
    places = np.arange(2000)
    links = np.zeros(1999, [("place", "<i8"), ("root", "<i8")])
    links["place"], links["root"] = places[1:], places[:-1]
    found = connected(np.random.default_rng(0).permutation(links))
    assert set(found["first"].tolist()) == {0}
    assert set(found["count"].tolist()) == {2000}


def test_equal_marks_of_16_bytes_are_grouped_and_others_left_out():
    marks = [b"a" * 16, b"b" * 16, b"a" * 8 + b"c" * 8, b"a" * 16]
    found = equal_groups(marked(marks, np.array([7, 5, 4, 3])))
    assert found.tolist() == [(3, 3, 2), (7, 3, 2)]
    assert equal_groups(marked([], np.zeros(0, np.int64))).tolist() == []


def test_bands_hold_every_bit_once():
    value = np.array([0x0123456789ABCDEF], np.uint64)
    for bands in (1, 3, 5, 11):
        joined = sum(int(band_of(value, band, bands)[0]) << (band * 64 // bands) for band in range(bands))
        assert joined == int(value[0])


def test_places_sort_in_the_order_of_the_input():
    assert place_of(2, np.array([0, 1])).tolist() == [2 << 24, (2 << 24) + 1]
