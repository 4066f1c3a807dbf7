from dataclasses import dataclass
from typing import Annotated

import pytest
from annotated_types import Ge

from schemas.json_text import JsonError, read_json, read_json_as


def test_json_is_read_from_text_and_bytes():
    assert (
        read_json('{"a": [1, null, "é"]}')
        == read_json('{"a": [1, null, "é"]}'.encode())
        == {"a": [1, None, "é"]}
    )


@pytest.mark.parametrize(
    "damaged",
    ["", "{", "[" * 100_000, '{"a":' * 100_000, "9" * 5000, b"\xff\xfe\xfa", bytes(900), b"\xcd{}", "[] []"],
)
def test_whatever_is_wrong_is_one_kind_of_error_in_one_line(damaged):
    with pytest.raises(JsonError) as caught:
        read_json(damaged)
    assert 0 < len(str(caught.value)) <= 200
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("damaged", "words"), [("[" * 100_000, "nested too deeply"), ("9" * 5000, "thousands of digits")]
)
def test_the_words_are_about_the_file_and_not_about_python(damaged, words):
    with pytest.raises(JsonError, match=words):
        read_json(damaged)


@dataclass(frozen=True)
class Row:
    name: str
    count: Annotated[int, Ge(0)]
    size: tuple[int, int] | None


def test_a_dataclass_is_read_from_its_fields_and_newer_ones_are_left_out():
    text = b'{"name": "a", "count": 1, "size": [2, 3], "later": 5}'
    assert read_json_as(Row, text) == Row("a", 1, (2, 3))


@pytest.mark.parametrize(
    ("field", "value"),
    [("count", '"1"'), ("count", "true"), ("count", "1.5"), ("count", "-1"), ("count", "NaN"), ("name", "5")],
)
def test_a_value_of_another_type_names_its_field(field, value):
    fields = {"name": '"a"', "count": "1", "size": "null", field: value}
    text = "{" + ", ".join(f'"{name}": {inner}' for name, inner in fields.items()) + "}"
    with pytest.raises(JsonError, match=rf"^{field}: "):
        read_json_as(Row, text.encode())


@pytest.mark.parametrize("text", [b"", b"[" * 100_000, b"\xff", b"null", b'{"name": "\\ud800"}'])
def test_text_that_is_no_such_json_is_one_line(text):
    with pytest.raises(JsonError, match=r"^[^\n]{1,300}$"):
        read_json_as(Row, text)
