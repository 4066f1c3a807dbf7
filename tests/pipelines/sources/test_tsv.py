import pytest
from source_checks import plan_of, read_all, source_of, told

from pipelines.sources.tsv import MAX_ROW_BYTES
from schemas.errors import ConfigError
from schemas.records import Failure, Reference

ROWS = [
    (b"a cat\thttp://x/1.jpg", "a cat"),
    (b"two\ttabs\thttp://x/2.jpg", "two\ttabs"),
    (b"windows\thttp://x/3.jpg\r", "windows"),
    (b"no tab", "malformed_row"),
    (b"\thttp://x/4.jpg", "empty_caption"),
    (b"  \thttp://x/5.jpg", "empty_caption"),
    (b"no url\t ", "malformed_row"),
    (b"", "malformed_row"),
    (b"caf\xe9\thttp://x/6.jpg", "not_utf8"),
    ("ein grünes Haus\thttp://x/7.jpg".encode(), "ein grünes Haus"),
    (b"x" * 10_000_000 + b"\thttp://x/8.jpg", "row_too_long"),
    (b"a cat\thttp://x/1.jpg", "a cat"),
    (b"the last\thttp://x/9.jpg", "the last"),
]


@pytest.mark.parametrize("shard_samples", [1, 2, 5, 100])
@pytest.mark.parametrize("ending", [b"", b"\n"])
def test_every_row_becomes_a_reference_or_a_failure(tmp_path, shard_samples, ending):
    path = tmp_path / "cc3m.tsv"
    path.write_bytes(b"\n".join(row for row, _ in ROWS) + ending)
    items = read_all(source_of(shard_samples, kind="cc3m", uri=path))
    expected = [word for _, word in ROWS]
    if shard_samples > len(ROWS):
        expected[11] = "duplicate_key"  # the same caption and url twice in one task
    assert told(items) == expected
    assert (
        [item.key for item in items]
        == [f"cc3m-{i:09d}" for i in range(len(ROWS))]
        == sorted(item.key for item in items)
    )


def test_a_reference_says_where_it_comes_from(tmp_path):
    (tmp_path / "a.tsv").write_bytes(b"\xef\xbb\xbfa cat\thttp://x/1.jpg\nthe same\thttp://x/1.jpg\n")
    first, second = read_all(source_of(kind="cc3m", uri=tmp_path / "a.tsv"))
    assert isinstance(first, Reference)
    assert isinstance(second, Reference)
    assert (first.captions, first.url, first.source) == (("a cat",), "http://x/1.jpg", "cc3m")
    assert first.image_id == second.image_id  # one picture: no negatives of each other
    assert first.image is None
    assert first.path is None


def test_cc12m_has_its_columns_the_other_way_round(tmp_path):
    (tmp_path / "cc12m.tsv").write_bytes(b"http://x/1.jpg\ta cat\thas tabs\nhttp://x/2.jpg\n")
    source = source_of(kind="cc12m", uri=tmp_path / "cc12m.tsv")
    first, second = read_all(source)
    assert isinstance(first, Reference)
    assert (first.key, first.captions, first.url) == (
        "cc12m-000000000",
        ("a cat\thas tabs",),
        "http://x/1.jpg",
    )
    assert isinstance(second, Failure)
    assert source.is_remote


@pytest.mark.parametrize(("kind", "row"), [("cc3m", b"http://x/1\ta cat"), ("cc12m", b"a cat\thttp://x/1")])
def test_the_wrong_kind_is_told_before_anything_is_fetched(tmp_path, kind, row):
    (tmp_path / "a.tsv").write_bytes(row + b"\n")
    other = {"cc3m": "cc12m", "cc12m": "cc3m"}[kind]
    with pytest.raises(ConfigError, match=f"set source.kind={other}"):
        list(source_of(kind=kind, uri=tmp_path / "a.tsv").plan())


def test_rows_count_on_over_the_files_of_a_glob_and_the_limit_ends_them(tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.tsv").write_bytes(
            b"".join(f"{name}{i}\thttp://x/{name}{i}\n".encode() for i in range(3))
        )
    items = read_all(source_of(kind="cc3m", uri=tmp_path / "*.tsv"))
    assert told(items) == ["a0", "a1", "a2", "b0", "b1", "b2"]
    assert [item.key[-1] for item in items] == list("012345")
    for limit in (1, 2, 3, 4, 6, 9):
        limited = read_all(source_of(kind="cc3m", uri=tmp_path / "*.tsv", limit=limit))
        assert limited == items[:limit]


def test_workers_read_their_own_range_alone(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes(b"".join(b"c\thttp://x/%d\n" % i for i in range(10)))
    source = source_of(5, kind="cc3m", uri=path)
    _, second = plan_of(source)
    data = path.read_bytes()
    path.write_bytes(b"\xff" * second.payload["start"] + data[second.payload["start"] :])
    assert [item.url for item in source.read(second)] == [f"http://x/{i}" for i in range(5, 10)]


def test_a_table_that_goes_or_shrinks_during_the_job(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes(b"c\thttp://x/1\nd\thttp://x/2\n")
    source = source_of(kind="cc3m", uri=path)
    (task,) = plan_of(source)
    path.write_bytes(b"c\thttp://x/1\n")
    with pytest.raises(OSError, match=r"a\.tsv: ends 13 bytes early"):
        list(source.read(task))
    path.unlink()
    with pytest.raises(OSError, match=r"a\.tsv: cannot be read"):
        list(source.read(task))
    with pytest.raises(ConfigError, match=r"source\.uri.*no such file"):
        list(source.plan())


def test_compressed_tables_are_refused(tmp_path):
    (tmp_path / "a.tsv.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(ConfigError, match="decompress"):
        list(source_of(kind="cc3m", uri=tmp_path / "a.tsv.gz").plan())


def test_the_fingerprint_is_of_the_table_not_of_its_place(tmp_path):
    def of(folder, data, **fields):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "a.tsv").write_bytes(data)
        return source_of(kind="cc3m", uri=tmp_path / folder / "a.tsv", **fields).fingerprint()

    assert of("x", b"c\thttp://x/1\n") == of("y", b"c\thttp://x/1\n")
    assert of("x", b"c\thttp://x/1\n") != of("y", b"c\thttp://x/12\n")
    assert of("x", b"c\thttp://x/1\n") != of("x", b"c\thttp://x/1\n", limit=1)


def test_the_longest_row_allowed(tmp_path):
    url = b"\thttp://x/1"
    (tmp_path / "a.tsv").write_bytes(
        b"x" * (MAX_ROW_BYTES - len(url)) + url + b"\n" + b"y" * (MAX_ROW_BYTES + 1 - len(url)) + url
    )
    first, second = read_all(source_of(kind="cc3m", uri=tmp_path / "a.tsv"))
    assert isinstance(first, Reference)
    assert told([second]) == ["row_too_long"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"caption,url\na cat,http://x/1\n",
            r"no tab in its first rows, such as 'caption,url'; cc3m is caption TAB url",
        ),
        ("a cat\thttp://x/1\n".encode("utf-16"), "UTF-16"),
        ("a cat\thttp://x/1\n".encode("utf-16-le"), "UTF-16"),
        (b"PAR1" + bytes(400), "it is no text"),
    ],
)
def test_a_file_of_another_kind_is_one_line_at_planning(tmp_path, data, message):
    (tmp_path / "a.tsv").write_bytes(data)
    with pytest.raises(ConfigError, match=message) as caught:
        list(source_of(kind="cc3m", uri=tmp_path / "a.tsv").plan())
    assert "\n" not in str(caught.value)


def test_cc3m_with_image_labels_has_its_url_in_the_second_column(tmp_path):
    row = "a\tcat\thttp://x.org/1.jpg\tcat,pet\t/m/01yrx,/m/068hy\t0.9,0.8\n"
    path = tmp_path / "labels.tsv"
    path.write_text(row + "a dog\thttps://x.org/2.jpg\t\t\t\n")
    items = read_all(source_of(kind="cc3m", uri=path))
    assert [(item.captions, item.url) for item in items] == [
        (("a\tcat",), "http://x.org/1.jpg"),
        (("a dog",), "https://x.org/2.jpg"),
    ]
