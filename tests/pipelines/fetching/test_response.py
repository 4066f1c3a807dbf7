import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from pipelines.fetching.response import MAX_PAUSE, opted_out, retry_after, unpacked
from schemas.records import Reason, SampleError


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("9" * 400, MAX_PAUSE),
        ("-5", None),
        ("٣", None),
        ("soon", None),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("Fri, 31 Dec 0000 23:59:59 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 -9999", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_PAUSE),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("\udcff", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_within_a_day(value: str | None, seconds: float | None) -> None:
    assert retry_after(value) == seconds


def test_a_date_in_retry_after_is_a_pause_from_now() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=100)
    assert retry_after(format_datetime(soon, usegmt=True)) == pytest.approx(100, abs=2)


@pytest.mark.parametrize(
    ("tag", "forbids"),
    [
        ("noai", True),
        ("other: noai", False),
        ("zoetrope: noai", True),
        ("max-snippet: 5", False),
        ("\udcff, noai", True),
    ],
)
def test_an_opt_out_is_read_in_both_forms(tag: str, forbids: bool) -> None:
    headers = CIMultiDictProxy(CIMultiDict([("X-Robots-Tag", tag)]))
    assert (opted_out(headers, "zoetrope/0.1") is not None) == forbids


def test_compressed_bodies_are_unpacked_within_the_cap() -> None:
    body = zlib.compress(bytes(1000))
    assert unpacked(body, "deflate", 1000) == bytes(1000)
    assert unpacked(body, "br", 1000) == body
    for data, cap, reason in (
        (body, 999, Reason.TOO_LARGE),
        (body[:-4], 1000, Reason.TRUNCATED),
        (b"x" * 20, 1000, Reason.CORRUPT),
    ):
        with pytest.raises(SampleError) as caught:
            unpacked(data, "gzip", cap)
        assert caught.value.reason == reason
