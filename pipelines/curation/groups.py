"""Group marks: samples of equal marks, and samples linked by marks that differ in few bits. numpy alone.

A sample's *place* is its task and its row in it, as one int64 that sorts in the order of the input.

Near marks are found by multi-index hashing (Norouzi et al. 2012). Two hashes of 64 bits that differ in at
most d bits are equal in at least one of d + 1 bands. So only hashes with an equal band are compared.
"""

from __future__ import annotations

import numpy as np

MARKED = np.dtype([("mark", "<u8"), ("rest", "<u8"), ("place", "<i8")])  # `rest`: of a mark of 16 bytes
FOUND = np.dtype([("place", "<i8"), ("first", "<i8"), ("count", "<i8")])  # of a group of two or more
LINK = np.dtype([("place", "<i8"), ("root", "<i8")])
BITS = 64  # of a mark
ROW_BITS = 24  # of a place; a task has at most 2**24 inputs
_AT_ONCE = 1 << 22  # pairs that are compared at a time


def place_of(task: int, rows: np.ndarray) -> np.ndarray:
    """The places of rows of a task, int64."""
    return (np.int64(task) << ROW_BITS) | rows.astype(np.int64)


def marked(marks: list[bytes], places: np.ndarray) -> np.ndarray:
    """Return marks of 8 or 16 bytes as an array MARKED [n]."""
    found = np.zeros(len(marks), MARKED)
    if marks:
        words = np.frombuffer(b"".join(marks), ">u8").reshape(len(marks), -1)
        found["mark"] = words[:, 0]
        found["rest"] = words[:, -1]
    found["place"] = places
    return found


def band_of(marks: np.ndarray, band: int, bands: int) -> np.ndarray:
    """One of the bands of hashes uint64 [n], as uint64."""
    low, high = band * BITS // bands, (band + 1) * BITS // bands
    mask = np.uint64((1 << (high - low)) - 1)
    return (marks >> np.uint64(low)) & mask


def equal_groups(entries: np.ndarray) -> np.ndarray:
    """Return the groups of equal marks in MARKED [n], as FOUND. Marks of a single sample are left out."""
    order = np.lexsort((entries["place"], entries["rest"], entries["mark"]))
    entries = entries[order]
    starts = np.flatnonzero(_changes(entries["mark"]) | _changes(entries["rest"]))
    counts = np.diff([*starts, len(entries)])
    found = np.zeros(len(entries), FOUND)
    found["place"] = entries["place"]
    found["first"] = np.repeat(entries["place"][starts], counts)
    found["count"] = np.repeat(counts, counts)
    return found[found["count"] > 1]


def near_links(entries: np.ndarray, band: int, distance: int) -> np.ndarray:
    """Link the entries MARKED [n] with an equal band whose hashes differ in at most `distance` bits, as LINK.

    Each linked sample has one link, to the first sample that it is connected to here.
    """
    keys = band_of(entries["mark"], band, distance + 1)
    order = np.lexsort((entries["place"], entries["mark"], keys))
    entries, keys = entries[order], keys[order]
    starts = np.flatnonzero(_changes(keys))
    links = [_links_of(entries[a:b], distance) for a, b in zip(starts, [*starts[1:], len(keys)], strict=True)]
    return np.concatenate([np.zeros(0, LINK), *links])


def connected(links: np.ndarray) -> np.ndarray:
    """Return the groups that LINK [n] connects, as FOUND."""
    places, index = np.unique(np.concatenate([links["place"], links["root"]]), return_inverse=True)
    left, right = index[: len(links)], index[len(links) :]
    roots = _roots(len(places), left, right)
    counts = np.bincount(roots, minlength=len(places))
    found = np.zeros(len(places), FOUND)
    found["place"], found["first"], found["count"] = places, places[roots], counts[roots]
    return found


def _links_of(entries: np.ndarray, distance: int) -> np.ndarray:
    """Link entries with an equal band, which are sorted by mark and place."""
    if len(entries) < 2:
        return np.zeros(0, LINK)
    firsts = np.flatnonzero(_changes(entries["mark"]))  # equal hashes are compared once
    marks = entries["mark"][firsts]
    lefts, rights = [], []
    rows = max(1, _AT_ONCE // len(marks))
    for start in range(0, len(marks), rows):
        bits = np.bitwise_count(marks[start : start + rows, None] ^ marks[None, start:])
        left, right = np.nonzero(bits <= distance)
        lefts.append(left + start)
        rights.append(right + start)
    group = _roots(len(marks), np.concatenate(lefts), np.concatenate(rights))
    of_entry = group[np.cumsum(_changes(entries["mark"])) - 1]
    least = np.full(len(marks), np.iinfo(np.int64).max)
    np.minimum.at(least, of_entry, entries["place"])
    found = np.zeros(len(entries), LINK)
    found["place"], found["root"] = entries["place"], least[of_entry]
    return found[found["place"] != found["root"]]


def _roots(nodes: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The least node that each node is connected to, int64 [nodes], by edges left [n], right [n].

    Labels are pulled over edges and pointers are halved, until nothing changes.
    """
    roots = np.arange(nodes)
    while True:
        least = np.minimum(roots[left], roots[right])
        before = roots.copy()
        np.minimum.at(roots, roots[left], least)
        np.minimum.at(roots, roots[right], least)
        np.minimum.at(roots, left, least)
        np.minimum.at(roots, right, least)
        roots = roots[roots]
        if np.array_equal(before, roots):
            return roots


def _changes(values: np.ndarray) -> np.ndarray:
    """Where a sorted array begins a new value; True at the start."""
    return np.concatenate([np.ones(min(1, len(values)), bool), values[1:] != values[:-1]])
