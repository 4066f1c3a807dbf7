import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_checks import plan_of, read_all, source_of, told

from pipelines.sources.base import read_task
from schemas.errors import ConfigError
from schemas.records import Failure, Reference

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write(path, row_group_size=None, **columns):
    pq.write_table(pa.table(columns), path, row_group_size=row_group_size)
    return path


def numbered(path, first, rows, row_group_size=None):
    numbers = range(first, first + rows)
    return write(
        path,
        row_group_size,
        image=[b"picture %d" % i for i in numbers],
        caption=[f"caption {i}" for i in numbers],
    )


def test_pictures_as_bytes(tmp_path):
    source = source_of(kind="parquet", uri=numbered(tmp_path / "a.parquet", 0, 5))
    items = read_all(source)
    assert [item.key for item in items] == [f"parquet-{i:09d}" for i in range(5)]
    assert [item.image for item in items if isinstance(item, Reference)] == [
        b"picture %d" % i for i in range(5)
    ]
    assert items[4].meta == {"file": "a.parquet", "row": 4}
    assert not source.is_remote


@pytest.mark.parametrize("shard_samples", [1, 3, 4, 7, 100])
@pytest.mark.parametrize("row_group_size", [1, 2, 5, 100])
def test_shards_cross_row_groups_and_files(tmp_path, shard_samples, row_group_size):
    for number, (first, rows) in enumerate([(0, 5), (5, 1), (6, 0), (6, 20)]):
        numbered(tmp_path / f"{number}.parquet", first, rows, row_group_size)
    source = source_of(shard_samples, kind="parquet", uri=tmp_path / "*.parquet")
    assert {task.samples for task in plan_of(source)[:-1]} <= {shard_samples}
    items = read_all(source)
    assert told(items) == [f"caption {i}" for i in range(26)]
    assert [item.image for item in items if isinstance(item, Reference)] == [
        b"picture %d" % i for i in range(26)
    ]
    limited = source_of(shard_samples, kind="parquet", uri=tmp_path / "*.parquet", limit=7)
    assert read_all(limited) == items[:7]


def test_hf_structs_and_lists_of_captions(tmp_path):
    pictures = pa.array([{"bytes": b"one", "path": "a.jpg"}, {"bytes": None, "path": "b.jpg"}, None], STRUCT)
    write(tmp_path / "a.parquet", image=pictures, captions=[["a", "", "b"], ["c"], ["d"]])
    first, second, third = read_all(source_of(kind="parquet", uri=tmp_path / "a.parquet"))
    assert isinstance(first, Reference)
    assert (first.image, first.captions) == (b"one", ("a", "b"))
    assert told([second, third]) == ["missing_image", "missing_image"]
    assert "b.jpg" in second.detail


def test_urls_are_fetched_unless_there_are_pictures(tmp_path):
    urls = ["http://x/1", None, " "]
    write(tmp_path / "a.parquet", url=urls, text=pa.array(["a", "b", "c"]).dictionary_encode())
    source = source_of(kind="parquet", uri=tmp_path / "a.parquet")
    assert source.is_remote
    items = read_all(source)
    assert told(items) == ["a", "missing_image", "missing_image"]
    assert (items[0].url, items[0].image) == ("http://x/1", None)
    write(tmp_path / "b.parquet", bild=[b"1"], link=["http://x/1"], alt=["a"])
    both = source_of(
        kind="parquet",
        uri=tmp_path / "b.parquet",
        image_column="bild",
        url_column="link",
        caption_column="alt",
    )
    (item,) = read_all(both)
    assert not both.is_remote
    assert (item.image, item.url) == (b"1", "http://x/1")


def test_bad_cells_are_failures(tmp_path):
    latin = pa.array([b"fine", b"caf\xe9", None, b" ", b"fine", b"fine"]).view(pa.string())
    pictures = [b"1", b"2", b"3", b"4", None, b""]
    write(tmp_path / "a.parquet", image=pa.array(pictures, pa.binary()), caption=latin)
    items = read_all(source_of(kind="parquet", uri=tmp_path / "a.parquet"))
    assert told(items) == [
        "fine",
        "not_utf8",
        "missing_caption",
        "empty_caption",
        "missing_image",
        "empty_body",
    ]


@pytest.mark.parametrize(
    ("columns", "fields", "message"),
    [
        ({"caption": ["a"]}, {}, "image_column: .*no column 'image' or 'url'; it has caption"),
        ({"image": [b"a"]}, {}, "caption_column: .*none of caption, captions, text; it has image"),
        (
            {"image": [b"a"], "caption": ["a"]},
            {"image_column": "img"},
            "image_column: .*no column 'img'; it has image, caption",
        ),
        ({"image": [[1, 2]], "caption": ["a"]}, {}, r"image_column: .*'image' is list<.*must be bytes"),
        ({"url": [1], "caption": ["a"]}, {}, r"url_column: .*'url' is int64"),
        ({"image": [b"a"], "caption": [5]}, {}, r"caption_column: .*'caption' is int64"),
    ],
)
def test_columns_that_do_not_fit(tmp_path, columns, fields, message):
    write(tmp_path / "a.parquet", **columns)
    with pytest.raises(ConfigError, match=message):
        list(source_of(kind="parquet", uri=tmp_path / "a.parquet", **fields).plan())


def test_files_that_do_not_fit_are_told_before_anything_is_made(tmp_path):
    numbered(tmp_path / "a.parquet", 0, 3)
    write(tmp_path / "b.parquet", image=[b"a"], text=["a"])
    with pytest.raises(ConfigError, match=r"b\.parquet: no column 'caption'"):
        list(source_of(kind="parquet", uri=tmp_path / "*.parquet").plan())
    (tmp_path / "b.parquet").write_bytes(b"PAR1 not a table")
    with pytest.raises(ConfigError, match=r"b\.parquet: not a readable parquet file"):
        list(source_of(kind="parquet", uri=tmp_path / "*.parquet").plan())
    with pytest.raises(ConfigError, match=r"source\.uri: .*none.* nothing matches"):
        list(source_of(kind="parquet", uri=tmp_path / "none*.parquet").plan())


def test_a_damaged_page_costs_its_rows_alone(tmp_path):
    path = numbered(tmp_path / "a.parquet", 0, 40, row_group_size=10)
    column = pq.ParquetFile(path).metadata.row_group(2).column(0)
    start = column.dictionary_page_offset or column.data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 40] = bytes(40)
    path.write_bytes(data)
    items = read_all(source_of(10, kind="parquet", uri=path))
    good = [f"caption {i}" for i in range(40)]
    assert told(items) == [*good[:20], *["unreadable"] * 10, *good[30:]]
    assert isinstance(items[20], Failure)
    assert "a.parquet" in items[20].detail


def test_a_table_that_vanishes_ends_the_job(tmp_path):
    source = source_of(kind="parquet", uri=numbered(tmp_path / "a.parquet", 0, 3))
    task = plan_of(source)[0]
    (tmp_path / "a.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.parquet: cannot be read"):
        list(read_task(source, task))
