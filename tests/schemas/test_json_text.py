import pytest

from schemas.json_text import JsonError, read_json


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
