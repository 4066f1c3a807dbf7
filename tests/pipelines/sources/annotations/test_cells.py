import pytest

from pipelines.sources.annotations.cells import (
    as_list,
    as_mapping,
    as_text,
    decoded,
    texts,
    url_identity,
)


def test_a_cell_holds_a_caption_or_a_list_of_them() -> None:
    assert texts("a") == ["a"]
    assert texts(["a", 1, None, "b\ud800"]) == ["a", "b?"]
    assert texts(None) == texts({"a": 1}) == texts(float("nan")) == []


def test_a_value_of_another_type_than_expected_is_no_error() -> None:
    assert as_list("a") == ["a"]
    assert as_list(["a", 1]) == ["a", 1]
    assert as_mapping({"a": 1}) == {"a": 1}
    assert as_mapping("a") == as_mapping(None) == as_mapping([1]) == {}
    assert as_text("b\ud800") == "b?"
    assert as_text(1) is None


def test_equal_urls_have_equal_identities() -> None:
    assert url_identity("http://a/1") == url_identity("http://a/1")
    assert url_identity("http://a/1") != url_identity("http://a/2")
    assert url_identity("http://\ud800/").startswith("url-")


def test_bytes_are_the_text_that_they_hold() -> None:
    assert decoded([b"caf\xc3\xa9", "b", None, [b"c"]]) == ["caf\u00e9", "b", None, ["c"]]
    assert decoded("a") == "a"
    with pytest.raises(UnicodeDecodeError):
        decoded(b"caf\xe9")
