"""The column of scores, as readers of the tables take it."""

from __future__ import annotations

import pyarrow as pa

from storage.scores import filter_of, scores_of


def test_scores_are_read_by_filter():
    rows = pa.record_batch({"scores": ['{"a":1,"b":0.5}', None, '{"a":3}']})
    assert {name: values.tolist() for name, values in scores_of(rows).items()} == {"a": [1, 3], "b": [0.5]}
    assert scores_of(pa.record_batch({"key": ["of an earlier version"]})) == {}


def test_the_filter_is_named_by_the_detail():
    assert filter_of("filtered", "picture_blur: 3, under min=50") == "picture_blur"
    assert filter_of("filtered", "mine:has_words: under three words") == "mine:has_words"
    assert filter_of("timeout", "picture_blur: 3") == ""
