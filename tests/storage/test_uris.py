import pytest

from storage.uris import safe_relative, why_unsafe


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "a/../../b", "/etc/passwd", "a\\b", "http://x/a", "a\x00b", "x/.."]
)
def test_names_that_could_leave_the_folder(name):
    assert safe_relative(name) is None


def test_names_that_stay():
    assert safe_relative("a.jpg") == "a.jpg"
    assert safe_relative("./train//a b.jpg") == "train/a b.jpg"
    assert safe_relative("..a") == "..a"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (7, "is no text"),
        ("", "is empty"),
        (" ", "is empty"),
        ("http://x/a.jpg", "is a URL"),
        ("/data/a.jpg", "is an absolute path"),
        ("../a.jpg", "leads out of its folder"),
        ("a\x00.jpg", "is no usable file name"),
    ],
)
def test_a_name_that_is_refused_has_its_reason(name, why):
    assert why_unsafe(name).startswith(why)
