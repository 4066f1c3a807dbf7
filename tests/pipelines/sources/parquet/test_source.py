import os
import subprocess
import sys

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


def test_a_later_file_whose_columns_have_another_type_is_named_at_planning(tmp_path):
    numbered(tmp_path / "a.parquet", 0, 3)
    for columns, message in (
        ({"image": [b"a"], "caption": [5]}, r"b\.parquet: column 'caption' is int64; it must be text"),
        ({"image": ["a"], "caption": ["a"]}, r"b\.parquet: column 'image' is string; it must be bytes"),
    ):
        write(tmp_path / "b.parquet", **columns)
        with pytest.raises(ConfigError, match=message):
            list(source_of(kind="parquet", uri=tmp_path / "*.parquet").plan())
    pictures = pa.array([{"bytes": b"one", "path": "a.jpg"}], STRUCT)
    write(tmp_path / "b.parquet", image=pictures, caption=pa.array(["x"], pa.large_string()))
    assert told(read_all(source_of(kind="parquet", uri=tmp_path / "*.parquet")))[-1] == "x"


def test_a_column_that_comes_twice_is_named(tmp_path):
    columns = [pa.array([b"1"]), pa.array(["c"]), pa.array(["d"])]
    pq.write_table(pa.Table.from_arrays(columns, ["image", "caption", "caption"]), tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match=r"a\.parquet: it has 2 columns named 'caption'"):
        list(source_of(kind="parquet", uri=tmp_path / "a.parquet").plan())


@pytest.mark.parametrize("fill", [b"\0", b"\xff", b"\x15"])
@pytest.mark.parametrize("length", [0, 1, 7, 60, 250])
def test_a_damaged_footer_is_one_line_that_names_the_file(tmp_path, fill, length):
    path = numbered(tmp_path / "a.parquet", 0, 3)
    data = path.read_bytes()
    footer = int.from_bytes(data[-8:-4], "little")
    kept = data[: -8 - footer] + (fill * length + data[-8 - footer : -8])[:length]
    path.write_bytes(kept + length.to_bytes(4, "little") + b"PAR1")
    with pytest.raises(ConfigError, match=r"a\.parquet: not a readable parquet file") as caught:
        list(source_of(kind="parquet", uri=path).plan())
    assert "\n" not in str(caught.value)


def test_cells_that_unpack_to_gigabytes_are_failures(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.sources.parquet.rows.MAX_UNPACKED", 1_000_000)
    pictures = [b"1", b"2", bytes(2_000_000), b"4", bytes(4_000_000), b"6"]
    write(tmp_path / "a.parquet", 2, image=pictures, caption=[f"caption {i}" for i in range(6)])
    source = source_of(kind="parquet", uri=tmp_path / "a.parquet")
    source.picture_bytes = 3_000_000
    items = read_all(source)
    assert told(items) == ["caption 0", "caption 1", *["too_large"] * 4]
    assert "a.parquet: column image" in items[2].detail


def test_large_pictures_are_decoded_a_few_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.sources.parquet.rows.BATCH_BYTES", 1_000_000)
    sizes = []

    def counted(self, batch_rows, **options):
        for batch in read(self, batch_rows, **options):
            sizes.append(batch.num_rows)
            yield batch

    read = pq.ParquetFile.iter_batches
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", counted)
    for size, rows in ((100, 16), (300_000, 3), (2_000_000, 1)):
        sizes.clear()
        pictures = [os.urandom(size) for _ in range(20)]
        write(tmp_path / "a.parquet", image=pictures, caption=[f"caption {i}" for i in range(20)])
        items = read_all(source_of(kind="parquet", uri=tmp_path / "a.parquet"))
        assert [item.image for item in items] == pictures
        assert max(sizes) == rows


def test_a_column_of_boxes_is_kept_in_the_metadata(tmp_path):
    plain = [[[1.0, 2.0, 3.0, 4.0]], None, [[1.0, 2.0]]]
    objects = [{"bbox": boxes, "label": ["a"]} for boxes in plain]
    pictures = {"image": [b"1", b"2", b"3"], "caption": ["a", "b", "c"]}
    path = write(tmp_path / "a.parquet", **pictures, boxes=plain, objects=objects)
    for column in ("boxes", "objects.bbox"):
        first, second, third = read_all(source_of(kind="parquet", uri=path, boxes=column))
        assert first.meta == {"file": "a.parquet", "row": 0, "boxes": [[1.0, 2.0, 3.0, 4.0]]}
        assert second.meta == {"file": "a.parquet", "row": 1}
        assert isinstance(third, Failure)
        assert f"{column}: '[1.0, 2.0]' is no box" in third.detail
    assert read_all(source_of(kind="parquet", uri=path))[0].meta == {"file": "a.parquet", "row": 0}
    with pytest.raises(ConfigError, match=r"source.boxes: .* has no column 'boxs'"):
        plan_of(source_of(kind="parquet", uri=path, boxes="boxs"))


def test_laions_columns_are_found_whatever_their_case(tmp_path):
    rows = {"URL": ["http://a.org/1.jpg"], "TEXT": ["a dog"], "WIDTH": [3]}
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    source = source_of(3, kind="parquet", uri=f"{tmp_path}/a.parquet")
    (item,) = [item for task in source.plan() for item in read_task(source, task)]
    assert (item.url, item.captions) == ("http://a.org/1.jpg", ("a dog",))


def test_a_table_of_other_columns_names_the_fields_that_choose_them(tmp_path):
    pq.write_table(pa.table({"link": ["http://a.org/1.jpg"], "words": ["a dog"]}), tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match=r"source\.image_column=\.\.\. or source\.url_column="):
        source_of(3, kind="parquet", uri=f"{tmp_path}/a.parquet").fingerprint()
    with pytest.raises(ConfigError, match=r"name one with source\.caption_column="):
        source_of(3, kind="parquet", uri=f"{tmp_path}/a.parquet", url_column="link").fingerprint()


@pytest.mark.parametrize(
    ("image", "caption"),
    [
        (pa.array([b"x", b"y"]).dictionary_encode(), pa.array(["one", "two"]).dictionary_encode()),
        (pa.array([b"x", b"y"], pa.binary(1)), pa.array([b"one", b"two"])),
        (pa.array([b"x", b"y"], pa.large_binary()), pa.array([b"one", b"two"], pa.large_binary())),
        (pa.array([b"x", b"y"]), pa.array([b"one", b"two"]).dictionary_encode()),
    ],
)
def test_dictionaries_and_bytes_are_read_as_what_they_hold(tmp_path, image, caption):
    """Hive, TensorFlow and older Spark write text as bytes."""
    path = write(tmp_path / "a.parquet", image=image, caption=caption)
    items = read_all(source_of(kind="parquet", uri=path))
    assert [(item.image, item.captions) for item in items] == [(b"x", ("one",)), (b"y", ("two",))]


@pytest.mark.parametrize(
    "form", [pa.list_(pa.string(), 2), pa.list_view(pa.binary()), pa.large_list(pa.string())]
)
def test_every_form_of_list_holds_captions(tmp_path, form):
    captions = pa.array([["one", "two"]], form)
    path = write(tmp_path / "a.parquet", image=[b"x"], caption=captions)
    assert read_all(source_of(kind="parquet", uri=path))[0].captions == ("one", "two")


def test_bytes_that_are_no_text_are_a_failure(tmp_path):
    path = write(tmp_path / "a.parquet", image=[b"x"], caption=[b"caf\xe9"])
    (item,) = read_all(source_of(kind="parquet", uri=path))
    assert (item.reason, item.detail) == ("not_utf8", "column caption: byte 3")


WITHOUT_PANDAS = """
import importlib.abc
import sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "pandas":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
from pipelines.sources.config import SourceConfig
from pipelines.sources.parquet.source import ParquetSource
config = SourceConfig(kind="parquet", uri=sys.argv[1], keep=["seen"])
(task,) = ParquetSource(config, shard_samples=2).plan()
print([item.meta["columns"]["seen"] for item in ParquetSource(config, shard_samples=2).read(task)])
"""


def test_times_in_nanoseconds_need_no_pandas(tmp_path):
    write(
        tmp_path / "a.parquet",
        image=[b"1", b"2"],
        caption=["a", "b"],
        seen=pa.array([1500, 2000], pa.timestamp("ns")),
    )
    command = [sys.executable, "-c", WITHOUT_PANDAS, str(tmp_path / "a.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "['1970-01-01T00:00:00.000001', '1970-01-01T00:00:00.000002']\n", done.stderr


@pytest.mark.parametrize("captions", [[b"caf\xe9"], [b"a", b"b\xff"]])
def test_texts_that_are_no_utf8_may_be_the_extreme_ones_of_a_file(tmp_path, captions):
    texts = pa.array(captions).view(pa.string())
    write(tmp_path / "a.parquet", image=[b"1"] * len(captions), caption=texts)
    source = source_of(kind="parquet", uri=tmp_path / "a.parquet")
    assert told(read_all(source))[-1] == "not_utf8"


def test_a_picture_whose_file_name_is_no_text_costs_its_row_alone(tmp_path):
    names = pa.array([b"a.jpg", b"caf\xe9.jpg", b"c.jpg"]).view(pa.string())
    pictures = pa.StructArray.from_arrays([pa.array([b"1", b"2", b"3"]), names], names=["bytes", "path"])
    write(tmp_path / "a.parquet", image=pictures, caption=["a", "b", "c"])
    items = read_all(source_of(kind="parquet", uri=tmp_path / "a.parquet"))
    assert told(items) == ["a", "not_utf8", "c"]


def test_boxes_with_a_text_that_is_no_utf8_cost_their_row_alone(tmp_path):
    labels = pa.array([b"cat", b"caf\xe9"]).view(pa.string())
    boxes = pa.array([[[1.0, 2.0, 3.0, 4.0]], [[1.0, 2.0, 3.0, 4.0]]])
    objects = pa.StructArray.from_arrays([boxes, labels], names=["bbox", "label"])
    write(tmp_path / "a.parquet", image=[b"1", b"2"], caption=["a", "b"], objects=objects)
    items = read_all(source_of(kind="parquet", uri=tmp_path / "a.parquet", boxes="objects.bbox"))
    assert told(items) == ["a", "not_utf8"]


def test_files_that_macos_leaves_are_no_tables(tmp_path):
    numbered(tmp_path / "a.parquet", 0, 2)
    (tmp_path / "._a.parquet").write_bytes(b"junk")
    assert len(read_all(source_of(kind="parquet", uri=tmp_path / "**" / "*.parquet"))) == 2
