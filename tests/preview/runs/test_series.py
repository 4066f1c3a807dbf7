"""Records of a run are read whatever else its file holds."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from preview.runs.series import MAX_LINE, Series, read_records


def of(*lines: bytes | dict):
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines]
    return read_records(io.BytesIO(b"".join(texts)))


def test_values_are_series_by_name_over_their_steps() -> None:
    found = of({"step": 1, "loss": 2.5, "mfu": None}, {"step": 2, "loss": 2, "t2v.R1": 10.0})
    assert found.series["loss"].steps.tolist() == [1, 2]
    assert found.series["loss"].values.tolist() == [2.5, 2.0]
    assert found.series["t2v.R1"].steps.tolist() == [2]
    assert "mfu" not in found.series
    assert (found.last_step, found.skipped) == (2, 0)


@pytest.mark.parametrize(
    "damaged",
    [
        b'{"step": 2, "lo\n',
        b"\x00\xff\xfe not text\n",
        b"[1, 2]\n",
        b'{"loss": 1.0}\n',
        b'{"step": "2", "loss": 1.0}\n',
        b'{"step": true, "loss": 1.0}\n',
        b'{"step": -1, "loss": 1.0}\n',
        b"[" * 100_000 + b"\n",
        b'{"step": 2, "loss": 1.0, "x": "' + b"a" * (2 * MAX_LINE) + b'"}\n',
    ],
    ids=range(9),
)
def test_a_damaged_or_foreign_line_is_skipped_and_counted(damaged: bytes) -> None:
    found = of({"step": 1, "loss": 3.0}, damaged, {"step": 3, "loss": 1.0})
    assert found.series["loss"].steps.tolist() == [1, 3]
    assert (found.skipped, found.first_skipped) == (1, 2)


def test_a_last_line_that_is_being_written_and_empty_lines_do_not_count() -> None:
    found = of({"step": 1, "loss": 3.0}, b"\n", b'{"step": 2, "lo')
    assert (found.last_step, found.skipped) == (1, 0)
    assert of().last_step is None


def test_what_is_no_finite_number_is_left_out() -> None:
    line = b'{"step": 1, "a": NaN, "b": Infinity, "c": "x", "d": true, "e": [1], "f": 1' + b"0" * 400 + b"}\n"
    assert of(line).series == {}
    assert of(line).last_step == 1


def test_of_a_step_that_was_written_twice_the_later_values_count_and_steps_rise() -> None:
    found = of(*({"step": step, "loss": loss} for step, loss in ((1, 1.0), (2, 2.0), (3, 3.0), (2, 9.0))))
    assert found.series["loss"].steps.tolist() == [1, 2, 3]
    assert found.series["loss"].values.tolist() == [1.0, 9.0, 3.0]


def test_many_points_become_means_of_neighbours_and_few_stay() -> None:
    series = Series(np.arange(1, 11), np.arange(10.0))
    assert series.thinned(10) is series
    thin = series.thinned(4)
    assert thin.steps.tolist() == [3, 6, 9, 10]
    assert thin.values.tolist() == [1.0, 4.0, 7.0, 9.0]
