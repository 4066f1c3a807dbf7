import numpy as np
import pyarrow as pa

from preview.report.measures import MEASURES, bin_counts


def test_a_float32_value_is_in_the_bin_that_begins_at_it():
    values = np.array([1.1, 1.2, 1.3], np.float32).astype(float)
    assert bin_counts(values, (1, 1.1, 1.2, 1.3)).tolist() == [0, 1, 1, 1]


def test_ends_take_what_is_outside_and_unknown_values_are_in_no_bin():
    assert bin_counts(np.array([-5.0, 9.0, np.nan]), (0, 1, 2)).tolist() == [1, 0, 1]


def test_an_aspect_of_an_empty_picture_is_unknown():
    batch = pa.RecordBatch.from_pydict({"original_width": [4, 0, None], "original_height": [2, 0, 3]})
    values = MEASURES["aspect"].values(batch)
    assert values[0] == 2
    assert not np.isfinite(values[1:]).any()
