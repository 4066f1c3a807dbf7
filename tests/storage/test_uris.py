import pytest

from storage.uris import safe_relative


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "a/../../b", "/etc/passwd", "a\\b", "http://x/a", "a\x00b", "x/.."]
)
def test_names_that_could_leave_the_folder(name):
    assert safe_relative(name) is None


def test_names_that_stay():
    assert safe_relative("a.jpg") == "a.jpg"
    assert safe_relative("./train//a b.jpg") == "train/a b.jpg"
    assert safe_relative("..a") == "..a"
