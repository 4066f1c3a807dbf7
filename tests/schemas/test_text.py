import pytest

from schemas.records import Failure, Reason, Stage
from schemas.text import counted, human_bytes, nearest, nearest_hint, one_line, valid_text


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (ValueError("two\nlines   and\ttabs"), "two lines and tabs"),
        (ValueError(), "ValueError"),
        ("", ""),
        ("cut \udcff here", "cut ? here"),
        ("\x1b[31mred\x07\x9b", "?[31mred??"),
        ("\u202egpj.exe", "?gpj.exe"),
        ("\u200fשלום", "\u200fשלום"),
        ("été 日本 \U0001f3f4\u200d", "été 日本 \U0001f3f4\u200d"),
    ],
)
def test_a_message_becomes_one_printable_line(message: object, line: str) -> None:
    assert one_line(message) == line


def test_a_line_is_cut_at_its_limit() -> None:
    assert one_line("abcdef", 3) == "abc"


def test_lone_surrogates_become_question_marks() -> None:
    assert valid_text("a\ud800b") == "a?b"


def test_no_failure_record_holds_text_that_utf8_cannot_encode() -> None:
    failure = Failure("k", Stage.FETCH, Reason.HTTP_ERROR, "status \udcff\n2", "http://\ud800/")
    assert (failure.detail, failure.url) == ("status ? 2", "http://?/")


def test_the_nearest_name_is_found_whatever_its_case() -> None:
    known = ["zoom_in", "zoom_out", "pan_left", "1k-A"]
    assert nearest("zom_in", known) == ["zoom_in"]
    assert nearest("1KA", known) == ["1k-A"]
    assert nearest("zoom", known, count=2) == ["zoom_in", "zoom_out"]
    assert nearest("xyz", known) == []
    assert nearest_hint("pan_lef", known) == "; the nearest is pan_left"
    assert nearest_hint("xyz", known) == ""


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (4_915_000, "4.92 MB"),
        (203e9, "203 GB"),
        (2.5e12, "2.5 TB"),
    ],
)
def test_bytes_are_shown_in_decimal_units(size: float, words: str) -> None:
    assert human_bytes(size) == words


def test_nouns_are_counted() -> None:
    assert [counted(n, "shard") for n in (0, 1, 2)] == ["0 shards", "1 shard", "2 shards"]
    assert counted(3, "entry", "entries") == "3 entries"
