from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.rendering.packing import MAX_TILES, TILE, in_tiles, owners, pack

SHAPES = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=80)


@settings(max_examples=60, deadline=None)
@given(SHAPES)
def test_every_rectangle_has_its_own_tiles(shapes):
    shape_R2 = np.array(shapes)
    sheet = pack(shape_R2)
    taken = np.full((sheet.rows, sheet.columns), -1)
    for index, ((height, width), row, column) in enumerate(
        zip(shapes, sheet.row_R, sheet.column_R, strict=True)
    ):
        place = taken[row : row + height, column : column + width]
        assert place.shape == (height, width)
        assert (place == -1).all()
        place[:] = index
    np.testing.assert_array_equal(owners(sheet, shape_R2), np.maximum(taken, 0).ravel())


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(30, 200))
def test_equal_rectangles_fill_most_of_a_sheet(height, width, count):
    sheet = pack(np.full((count, 2), (height, width)))
    used = height * width * count
    assert sheet.columns & (sheet.columns - 1) == 0
    assert sheet.columns * sheet.rows <= 1.5 * used + sheet.columns * height


def test_the_order_is_the_same_every_time():
    shapes = np.random.default_rng(0).integers(1, 9, (50, 2))
    first, second = pack(shapes), pack(shapes)
    np.testing.assert_array_equal(first.row_R, second.row_R)
    np.testing.assert_array_equal(first.column_R, second.column_R)


def test_tiles_are_rounded_up():
    assert in_tiles(np.array([[1, TILE], [TILE + 1, 3 * TILE]])).tolist() == [[1, 1], [2, 3]]


@pytest.mark.parametrize("shape", [(MAX_TILES + 1, 1), (1, MAX_TILES + 1)])
def test_what_no_sheet_holds_is_an_error(shape):
    with pytest.raises(ValueError, match="do not fit a sheet"):
        pack(np.array([shape]))
