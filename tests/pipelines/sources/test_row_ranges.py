import io

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sources.row_ranges import row_ranges


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=200).map(lambda data: data.replace(b"a", b"\n")), st.integers(1, 6), st.integers(1, 9)
)
def test_row_ranges_tile_any_file(data, rows, chunk):
    class Chunks(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(chunk, size))

    ranges = list(row_ranges(Chunks(data), rows))
    assert b"".join(data[start:end] for start, end, _ in ranges) == data
    lines = data.split(b"\n")
    assert sum(count for _, _, count in ranges) == len(lines) - (lines[-1] == b"")
    assert all(count == rows for _, _, count in ranges[:-1])
