import pytest

from pipelines.fetching.urls import parse_url
from schemas.records import Reason, SampleError


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", Reason.BAD_URL),
        ("www.example.org/a.jpg", Reason.BAD_URL),
        ("//example.org/a.jpg", Reason.BAD_URL),
        ("http://", Reason.BAD_URL),
        ("http:///a.jpg", Reason.BAD_URL),
        ("http://a b/c.jpg", Reason.BAD_URL),
        ("http://example.org:99999/", Reason.BAD_URL),
        ("http://example.org:abc/", Reason.BAD_URL),
        ("http://[::1/", Reason.BAD_URL),
        ("http://exa\nmple.org/", Reason.BAD_URL),
        ("http://example.org/" + "a" * 10_000, Reason.BAD_URL),
        ("ftp://example.org/a.jpg", Reason.UNSUPPORTED_SCHEME),
        ("file:///etc/passwd", Reason.UNSUPPORTED_SCHEME),
        ("data:image/png;base64,AAAA", Reason.UNSUPPORTED_SCHEME),
    ],
)
def test_urls_that_cannot_be_fetched(url, expected):
    with pytest.raises(SampleError) as caught:
        parse_url(url)
    assert caught.value.reason == expected


def test_urls_as_people_write_them():
    assert parse_url(" http://münchen.de/ä b.jpg ").raw_host == "xn--mnchen-3ya.de"
    assert parse_url("http://example.org/ä b.jpg").raw_path == "/%C3%A4%20b.jpg"
    assert parse_url("http://example.org/100%.jpg?a=%2F+b#top").raw_path_qs == "/100%.jpg?a=%2F+b"
