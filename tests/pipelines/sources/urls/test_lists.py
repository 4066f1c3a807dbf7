"""Lists of URLs as people write them."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import pytest

from pipelines.sources.urls.lists import Columns, Listed, caption_of, form_of, read_list
from schemas.errors import ConfigError
from schemas.records import Reason
from storage.find import FileInfo

USUAL = Columns(None, None)
DOG, CAT = Listed("http://a.org/1.jpg", ("a dog",)), Listed("http://a.org/2.jpg", ("a cat, asleep",))


def read(path: Path, text: str | bytes, asked: Columns = USUAL) -> list:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(read_list(FileInfo(str(path), path.stat().st_size), asked))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", 'url,caption\nhttp://a.org/1.jpg,a dog\nhttp://a.org/2.jpg,"a cat, asleep"\n'),
        ("a.csv", "URL;id;TEXT\nhttp://a.org/1.jpg;7;a dog\nhttp://a.org/2.jpg;8;a cat, asleep\n"),
        ("a.tsv", "caption\timage_url\na dog\thttp://a.org/1.jpg\na cat, asleep\thttp://a.org/2.jpg"),
        ("a.csv", "url,caption\nhttp://a.org/1.jpg,a dog\nhttp://a.org/2.jpg,a cat, asleep\n"),
        (
            "a.jsonl",
            '{"url":"http://a.org/1.jpg","text":"a dog"}\n{"x":1,"link":"http://a.org/2.jpg","alt":"a cat, asleep"}',
        ),
        (
            "a.jsonl",
            '{"Url":"http://a.org/1.jpg","Caption":"a dog"}\n{"Url":"http://a.org/2.jpg","Caption":["a cat, asleep"]}',
        ),
        ("a.txt", "\ufeffhttp://a.org/1.jpg a dog\r\n\nhttp://a.org/2.jpg\ta cat, asleep\n"),
    ],
)
def test_every_form_gives_the_same_rows(tmp_path, name, text):
    assert read(tmp_path / name, text) == [DOG, CAT]


@pytest.mark.parametrize(("ending", "compress"), [("gz", gzip), ("bz2", bz2), ("xz", lzma)])
def test_a_compressed_list_is_read(tmp_path, ending, compress):
    text = compress.compress(b"url,caption\nhttp://a.org/1.jpg,a dog\n")
    assert read(tmp_path / f"a.csv.{ending}", text) == [DOG]


def test_damaged_compression_is_one_line_that_names_the_file(tmp_path):
    damaged = gzip.compress(b"url,caption\n" * 1000)[:-12]
    with pytest.raises(ConfigError, match=r"a\.csv\.gz: .*ends early"):
        read(tmp_path / "a.csv.gz", damaged)


def test_columns_may_be_named(tmp_path):
    text = "href,url,note\nhttp://a.org/1.jpg,x,a dog\n"
    assert read(tmp_path / "a.csv", text, Columns("HREF", "note")) == [DOG]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", r"source\.url_column: .*no column url or .*it has a, b"),
        ("url,b\n1,2\n", r"source\.caption_column: .*no column caption or"),
        ("", "no header"),
    ],
)
def test_a_list_without_its_columns_says_which_it_has(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        read(tmp_path / "a.csv", text)


def test_rows_that_cannot_be_read_keep_their_line_and_reason(tmp_path):
    text = b'url,caption\n,a dog\nhttp://a.org/2.jpg,\nhttp://a.org/3.jpg,\xff\nhttp://a.org/4.jpg,"open\n'
    found = read(tmp_path / "a.csv", text)
    assert [str(reason) for reason, _, _ in found] == [
        "malformed_row",
        "empty_caption",
        "not_utf8",
        "malformed_row",
    ]
    assert "line 3" in found[1][1]
    assert found[1][2] == "http://a.org/2.jpg"


def test_a_url_alone_is_described_by_its_file_name(tmp_path):
    text = "https://a.org/x/red-fox_in%20snow-1.jpg?w=2\nhttps://a.org/00123.jpg\nno url\n"
    fox, number, other = read(tmp_path / "a.txt", text)
    assert fox.captions == ("red fox in snow",)
    assert (str(number[0]), number[2]) == ("missing_caption", "https://a.org/00123.jpg")
    assert str(other[0]) == "malformed_row"


@pytest.mark.parametrize(
    ("url", "caption"),
    [
        ("http://a.org/Größe.png", "Größe"),
        ("http://a.org/", ""),
        ("http://a.org", ""),
        ("http://[", ""),
        ("http://a.org/cats/black-cat/", "black cat"),
    ],
)
def test_words_of_a_file_name(url, caption):
    assert caption_of(url) == caption


def test_an_unknown_ending_is_refused(tmp_path):
    assert form_of("a.JSONL.gz") == ".jsonl"
    with pytest.raises(ConfigError, match=r"ends in csv, tsv, jsonl"):
        read(tmp_path / "a.doc", "x")


@pytest.mark.parametrize(
    "url", ["http://a.org/u=1,17&fm=15&gp=0.jpg", "http://a.org/1,x0/y", "http://a.org/a,b.JPG"]
)
def test_a_comma_in_a_url_is_no_caption(tmp_path, url):
    (fault, whole) = read(tmp_path / "a.csv", f'url,caption\n{url},a dog\n"{url}",a dog\n')
    assert fault[:2] == (
        Reason.MALFORMED_ROW,
        f"{tmp_path}/a.csv: line 2: 3 fields for 2 columns; quote what holds a comma",
    )
    assert whole == Listed(url, ("a dog",))


def test_a_caption_with_a_comma_may_begin_with_any_word(tmp_path):
    for caption in ("sunset, beach", "St. Ives, Cornwall", "e.g., a dog", "a 50% sale, at last"):
        rows = read(tmp_path / "a.csv", f"url,caption\nhttp://a.org/1.jpg,{caption}\n")
        assert rows == [Listed("http://a.org/1.jpg", (caption,))]


def test_all_cells_up_to_the_caption_are_looked_at_for_the_rest_of_a_url(tmp_path):
    url = "http://a.org/a.jpg?crop=2669,1999,x0,y0&amp;width=80"
    (fault,) = read(tmp_path / "a.csv", f"url,caption\n{url},a car, red\n")
    assert fault[0] == Reason.MALFORMED_ROW


def test_json_lines_need_one_row_with_both_columns(tmp_path):
    text = '{"url":"http://a.org/1.jpg"}\n{"url":"http://a.org/1.jpg","caption":"a dog"}\n'
    fault, whole = read(tmp_path / "a.jsonl", text)
    assert fault[0] == Reason.EMPTY_CAPTION
    assert whole == DOG
    with pytest.raises(ConfigError, match="no column caption or captions"):
        read(tmp_path / "a.jsonl", text.partition("\n")[0])


def test_a_space_in_a_url_of_a_plain_list_is_no_caption(tmp_path):
    fault, other, _ = read(
        tmp_path / "a.txt", "http://a.org/my b.jpg\nhttp://a.org/1.jpg a dog.jpg\nhttp://[ c.jpg\n"
    )
    assert fault[0] == Reason.MALFORMED_ROW
    assert "a space in the URL? Write %20: 'http://a.org/my', 'b.jpg'" in fault[1]
    assert other == Listed("http://a.org/1.jpg", ("a dog.jpg",))
