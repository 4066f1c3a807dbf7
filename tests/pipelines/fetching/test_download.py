import asyncio
import socket
import time

import pytest
from rogue_server import PICTURE, RogueServer

from pipelines.fetching.config import FetchConfig
from pipelines.fetching.download import Downloader
from pipelines.fetching.resolver import system_lookup
from schemas.records import Reason, SampleError


@pytest.fixture
def server():
    rogue = RogueServer()
    yield rogue
    rogue.close()


def get(url: str, lookup=system_lookup, **settings) -> bytes | tuple[Reason, str]:
    """The body, or the reason and detail, as a job would see it."""
    config = FetchConfig.make(
        {"allow_private": True, "backoff": 0.01, "deadline": 5, "max_bytes": 1_000_000} | settings
    )

    async def fetch() -> bytes:
        downloader = Downloader(config, lookup)
        try:
            return await downloader.get(url)
        finally:
            await downloader.close()

    try:
        return asyncio.run(fetch())
    except SampleError as error:
        return error.reason, error.detail


def reason(url: str, **settings) -> Reason:
    result = get(url, **settings)
    assert isinstance(result, tuple), f"{len(result)} bytes came"
    return result[0]


def test_a_picture_comes_as_it_is_and_html_is_left_to_the_decoder(server):
    assert get(server.url("/picture")) == PICTURE
    assert get(server.url("/html")) == b"<html>"


def test_the_request_says_who_asks_and_asks_for_no_compression(server):
    get(server.url("/picture"), user_agent="my-crawler/1.0 (me@example.org)")
    head = server.heads[0]
    assert "User-Agent: my-crawler/1.0 (me@example.org)" in head
    assert "Accept-Encoding: identity" in head


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("400", Reason.HTTP_400),
        ("401", Reason.HTTP_401),
        ("403", Reason.HTTP_403),
        ("404", Reason.HTTP_404),
        ("410", Reason.HTTP_410),
        ("418", Reason.HTTP_ERROR),
        ("204", Reason.EMPTY_BODY),
        ("304", Reason.HTTP_ERROR),
    ],
)
def test_a_status_that_stays_is_asked_for_once(server, status, expected):
    found, detail = get(server.url(f"/status/{status}"))
    assert found == expected
    assert sum(server.requests.values()) == 1
    assert status in detail


@pytest.mark.parametrize(
    ("status", "expected"), [("500", "http_500"), ("503", "http_503"), ("599", "http_error")]
)
def test_a_status_that_can_pass_is_tried_again(server, status, expected):
    assert reason(server.url(f"/status/{status}"), retries=2) == expected
    assert sum(server.requests.values()) == 3


def test_a_second_attempt_may_succeed(server):
    assert get(server.url("/second-time")) == PICTURE
    assert get(server.url("/reset-once")) == PICTURE


def test_retry_after_is_waited_for_and_never_past_the_deadline(server):
    start = time.monotonic()
    assert get(server.url("/busy")) == PICTURE
    assert time.monotonic() - start >= 1.0
    assert reason(server.url("/busy-for-hours")) == Reason.HTTP_429
    assert server.requests["/busy-for-hours"] == 1


@pytest.mark.parametrize("path", ["/drip", "/slow-headers"])
def test_the_deadline_covers_headers_and_dripping_bodies(server, path):
    assert reason(server.url(path), deadline=0.6) == Reason.TIMEOUT
    assert server.requests[path] <= 1, (
        "no second attempt; on a busy machine the time may end before the first"
    )


def test_the_deadline_covers_retries_and_says_what_was_met(server):
    found, detail = get(server.url("/status/503"), deadline=1.5, retries=10, backoff=0.2)
    assert found in (Reason.TIMEOUT, Reason.HTTP_503)
    assert "503" in detail


def test_the_deadline_covers_name_lookup():
    def slow(host: str) -> list[str]:
        time.sleep(2)
        return ["127.0.0.1"]

    assert reason("http://slow.test/", lookup=slow, deadline=0.3) == Reason.TIMEOUT


@pytest.mark.parametrize("path", ["/gigabyte", "/says-gigabyte", "/gzip-bomb"])
def test_no_body_grows_past_the_cap(server, path):
    assert reason(server.url(path)) == Reason.TOO_LARGE


def test_the_cap_itself_is_allowed(server):
    assert len(get(server.url("/bytes?1000"), max_bytes=1000)) == 1000
    assert reason(server.url("/bytes?1001"), max_bytes=1000) == Reason.TOO_LARGE


def test_compression_nobody_asked_for_is_undone(server):
    assert get(server.url("/gzipped")) == PICTURE


def test_broken_answers_have_reasons(server):
    assert reason(server.url("/empty")) == Reason.EMPTY_BODY
    assert reason(server.url("/cut")) == Reason.TRUNCATED
    assert reason(server.url("/huge-headers")) == Reason.HTTP_ERROR
    assert reason(server.url("/not-http")) == Reason.HTTP_ERROR
    assert reason(server.url("/picture").replace("http:", "https:")) == Reason.TLS_ERROR


def test_nobody_there():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert reason(f"http://127.0.0.1:{port}/x.jpg") == Reason.CONNECTION_ERROR


def test_unknown_hosts_are_asked_for_once():
    asked = []

    def nobody(host: str) -> list[str]:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def twice() -> list[Reason]:
        downloader = Downloader(FetchConfig(), nobody)
        reasons = []
        for _ in range(2):
            with pytest.raises(SampleError) as caught:
                await downloader.get("http://nobody.test/x.jpg")
            reasons.append(caught.value.reason)
        await downloader.close()
        return reasons

    assert asyncio.run(twice()) == [Reason.DNS_ERROR] * 2
    assert asked == ["nobody.test"]


def test_redirects_are_followed_and_bounded(server):
    assert get(server.url("/to?/to?/picture")) == PICTURE
    assert reason(server.url("/to?/to?/to?/picture"), max_redirects=2) == Reason.TOO_MANY_REDIRECTS
    assert reason(server.url("/to?file:///etc/passwd")) == Reason.UNSUPPORTED_SCHEME
    assert reason(server.url("/to?http://")) == Reason.BAD_URL
    assert reason(server.url("/to?")) == Reason.HTTP_ERROR


def test_private_addresses_are_refused_by_number_and_by_name(server):
    settings = {"allow_private": False}
    assert reason(server.url("/picture"), **settings) == Reason.REFUSED_ADDRESS
    assert reason(server.url("/picture", host="localhost"), **settings) == Reason.REFUSED_ADDRESS
    assert (
        reason("http://public.test/", lookup=lambda host: ["10.0.0.1", "::1"], **settings)
        == Reason.REFUSED_ADDRESS
    )
    assert reason("http://[::ffff:127.0.0.1]/", **settings) == Reason.REFUSED_ADDRESS
    assert not server.requests


def test_every_redirect_is_checked_like_the_first_request(server):
    """Only 127.0.0.1 is open; the server would answer on all of 127.0.0.0/8 and by every name."""
    settings = {"allow_private": False, "allowed_networks": ["127.0.0.1/32"]}
    names = {"good.test": ["127.0.0.1"], "bad.test": ["127.0.0.2"]}
    assert get(server.url("/to?/picture"), **settings) == PICTURE
    assert get(server.url("/picture", host="good.test"), lookup=names.__getitem__, **settings) == PICTURE
    for target in (
        "http://127.0.0.2/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://bad.test/",
    ):
        assert (
            reason(server.url(f"/to?{target}"), lookup=names.__getitem__, **settings)
            == Reason.REFUSED_ADDRESS
        ), target


def test_a_name_that_changes_its_address_is_resolved_once(server):
    """DNS rebinding: the second answer would be a private address, so there must be no second question."""
    answers = [["127.0.0.1"], ["127.0.0.2"]]
    settings = {"allow_private": False, "allowed_networks": ["127.0.0.1/32"]}
    assert (
        get(server.url("/to?/picture", host="rebind.test"), lookup=lambda host: answers.pop(0), **settings)
        == PICTURE
    )
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("tag", "refused"),
    [
        ("noai", True),
        ("NoImageAI", True),
        ("all,noindex", True),
        ("nofollow", False),
        ("otherbot:noai", False),
        ("zoetrope:_noai", True),
        ("unavailable_after:1_Jan_2030", False),
    ],
)
def test_opt_out_headers(server, tag, refused):
    result = get(server.url(f"/robots?{tag}"))
    assert result == PICTURE if not refused else result[0] == Reason.OPTED_OUT
    assert get(server.url(f"/robots?{tag}"), respect_opt_out=False) == PICTURE


def test_no_cookie_is_sent_back(server):
    async def twice() -> None:
        downloader = Downloader(FetchConfig(allow_private=True))
        for _ in range(2):
            await downloader.get(server.url("/cookie"))
        await downloader.close()

    asyncio.run(twice())
    assert len(server.heads) == 2
    assert "cookie:" not in server.heads[1].lower()


def test_proxies_of_the_environment_are_not_used(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert get(server.url("/picture")) == PICTURE


def test_a_host_that_asked_for_a_pause_is_not_asked_again_before_its_end(server):
    async def many() -> list[Reason]:
        downloader = Downloader(FetchConfig(allow_private=True, deadline=30, retries=0))
        reasons = []
        for path in ("/busy-for-hours", "/busy-for-hours", "/picture"):
            with pytest.raises(SampleError) as caught:
                await downloader.get(server.url(path))
            reasons.append(caught.value.reason)
        await downloader.close()
        return reasons

    assert asyncio.run(many()) == [Reason.HTTP_429] * 3
    assert sum(server.requests.values()) == 1


def test_a_short_pause_of_a_host_is_waited_for_by_its_other_pictures(server):
    async def both() -> bytes:
        downloader = Downloader(FetchConfig(allow_private=True, deadline=5, retries=1))
        downloader._pauses.ask(f"127.0.0.1:{server.port}", 0.3)
        started = time.monotonic()
        data = await downloader.get(server.url("/picture"))
        assert time.monotonic() - started >= 0.3
        await downloader.close()
        return data

    assert asyncio.run(both()) == PICTURE


def test_a_refused_address_names_the_setting_that_would_allow_it(server):
    found, detail = get(server.url("/picture"), allow_private=False)
    assert found == Reason.REFUSED_ADDRESS
    assert "fetch.allowed_networks=[127.0.0.1]" in detail
    assert get(server.url("/picture"), allow_private=False, allowed_networks=["127.0.0.1"]) == PICTURE


@pytest.mark.parametrize("url", ["http://2130706433/", "http://127.1/"])
def test_an_address_in_an_odd_form_is_no_host(url):
    assert reason(url) == Reason.BAD_URL
