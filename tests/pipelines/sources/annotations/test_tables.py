import io
import time

import pytest

from pipelines.sources.annotations.tables import (
    BadRow,
    CsvTable,
    Row,
    column_of,
    json_rows,
    lines_of,
    read_lines,
)
from schemas.errors import ConfigError
from schemas.records import Reason


def table(text: str, **options) -> CsvTable:
    return CsvTable(lines_of(text), "t.csv", wanted=("file_name", "caption"), **options)


def rows(text: str, **options) -> list[object]:
    """The values of each row, or the line of a bad one."""
    return [list(row.values.values()) if isinstance(row, Row) else row.line for row in table(text, **options)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_gives_the_header_its_columns(delimiter: str) -> None:
    text = f" file_name {delimiter} caption \na.jpg{delimiter}one, two; three\n".replace(", two", " two")
    assert table(text).columns == ["file_name", "caption"]


def test_a_row_with_too_many_fields_is_bad_unless_its_last_column_takes_the_rest() -> None:
    text = "file_name,caption\na.jpg,a man, with a hat\nb.jpg,a cup\n"
    assert rows(text) == [2, ["b.jpg", "a cup"]]
    assert rows(text, takes_rest=("caption",)) == [["a.jpg", "a man, with a hat"], ["b.jpg", "a cup"]]
    assert rows("caption,file_name\na,b,c\n", takes_rest=("caption",)) == [2]


def test_an_open_quote_spoils_its_own_line_only() -> None:
    text = 'file_name,caption\na.jpg,"open\n' + "".join(f"{n}.jpg,caption {n}\n" for n in range(300))
    found = rows(text)
    assert found[0] == 2
    assert found[1:] == [[f"{n}.jpg", f"caption {n}"] for n in range(300)]


def test_a_quote_that_swallows_a_row_is_seen_by_the_row() -> None:
    text = 'file_name,caption\na.jpg,"open\nb.jpg,closed"\n'
    assert rows(text) == [["a.jpg", "open\nb.jpg,closed"]]
    assert rows(text, is_row=lambda cells: cells[0].endswith(".jpg")) == [2, ["b.jpg", 'closed"']]


def test_a_row_of_empty_fields_costs_no_more_than_its_length() -> None:
    began = time.process_time()
    assert rows("file_name,caption\na.jpg,a cup" + "," * 90_000 + "\n") == [["a.jpg", "a cup"]]
    assert time.process_time() - began < 1.0


def test_blank_lines_and_short_rows_are_no_fault() -> None:
    assert rows("\nfile_name,caption\n\na.jpg\n\n") == [["a.jpg"]]
    assert rows("") == []


def read(data: bytes) -> list[object]:
    found = json_rows(read_lines(io.BytesIO(data), len(data), "t.jsonl"))
    return [row.values if isinstance(row, Row) else (row.line, row.reason) for row in found]


def test_json_lines_with_a_mark_nan_and_broken_lines() -> None:
    data = b'\xef\xbb\xbf{"a": NaN}\n\n{"b": \xff}\n[1]\n' + b'{"c": ' + b"[" * 90_000 + b"\n"
    assert read(data) == [
        {"a": None},
        (3, Reason.NOT_UTF8),
        (4, Reason.MALFORMED_ROW),
        (5, Reason.MALFORMED_ROW),
    ]
    assert read(b"x" * 200_000) == [(1, Reason.ROW_TOO_LONG)]


def test_an_encoding_that_is_not_utf8_is_named() -> None:
    for data, message in (
        ("file_name".encode("utf-16"), "UTF-16"),
        ("file_name".encode("utf-16-le"), "UTF-16"),
    ):
        with pytest.raises(ConfigError, match=message):
            list(read_lines(io.BytesIO(data), len(data), "t.csv"))


def test_a_bad_row_names_file_and_line() -> None:
    (row,) = table('caption\n"x\n')
    assert isinstance(row, BadRow)
    assert row.named("in/t.csv") == "in/t.csv: line 2: a quote is not closed"


def test_a_column_is_found_whatever_its_case() -> None:
    assert column_of(["File Name", " Caption "], ("caption",)) == " Caption "
    assert column_of(["Caption", "caption"], ("caption",)) == "caption"
    assert column_of(["a"], ("b",)) is None


def test_a_wanted_column_that_comes_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"t\.csv: two columns are called caption"):
        table("file_name,caption,caption\na.jpg,one,two\n")
    assert table("file_name,caption,note,note\n").columns[-1] == "note"
