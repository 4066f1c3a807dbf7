import socket
import threading

import pytest
from rogue_server import PICTURE, RogueServer
from waiting import wait_until

from pipelines.fetching.config import FetchConfig
from pipelines.fetching.fetcher import Fetcher
from schemas.records import Failure, Reason, Reference, Stage
from transforms.media.formats.sniff import sniff


@pytest.fixture
def server():
    rogue = RogueServer()
    yield rogue
    rogue.close()


def references(urls) -> list[Reference]:
    return [Reference(f"k-{i:05d}", ("a caption",), "cc3m", url=url) for i, url in enumerate(urls)]


def config(**settings) -> FetchConfig:
    return FetchConfig.make({"allow_private": True, "deadline": 5, "backoff": 0.01} | settings)


def test_results_come_in_input_order_with_failures_among_them(server):
    urls = [server.url(f"/numbered/{i}") if i % 7 else server.url("/status/404") for i in range(100)]
    with Fetcher(config(concurrency=16)) as fetcher:
        results = list(fetcher.fetch_all(references(urls)))
    assert [reference.key for reference, _ in results] == [f"k-{i:05d}" for i in range(100)]
    for i, (reference, result) in enumerate(results):
        if i % 7:
            assert result == f"/numbered/{i}".encode()
        else:
            assert isinstance(result, Failure)
            assert (result.key, result.stage, result.reason) == (reference.key, Stage.FETCH, Reason.HTTP_404)
            assert result.url == urls[i]


def test_one_slow_picture_does_not_hold_up_the_others(server):
    urls = [server.url("/drip"), *(server.url(f"/numbered/{i}") for i in range(50))]
    with Fetcher(config(concurrency=4, deadline=1)) as fetcher:
        results = [result for _, result in fetcher.fetch_all(references(urls))]
        assert isinstance(results[0], Failure)
        assert results[0].reason == Reason.TIMEOUT
        assert results[1:] == [f"/numbered/{i}".encode() for i in range(50)]


def test_never_more_in_flight_than_allowed_in_all_and_a_host(server):
    urls = [server.url(f"/numbered/{i}0") for i in range(40)]
    with Fetcher(config(concurrency=5, per_host=0)) as fetcher:
        assert sum(isinstance(result, bytes) for _, result in fetcher.fetch_all(references(urls))) == 40
    assert server.most_open == 5
    server.most_open = 0
    with Fetcher(config(concurrency=20, per_host=3)) as fetcher:
        list(fetcher.fetch_all(references(urls)))
    assert server.most_open == 3


def test_a_busy_host_leaves_room_for_others(server):
    names = {"slow.test": ["127.0.0.1"], "quick.test": ["127.0.0.1"]}
    urls = [server.url("/drip", host="slow.test")] * 4 + [server.url("/picture", host="quick.test")]
    with Fetcher(config(concurrency=3, per_host=2, deadline=1), lookup=names.__getitem__) as fetcher:
        results = [result for _, result in fetcher.fetch_all(references(urls))]
    assert [isinstance(result, bytes) for result in results] == [False] * 4 + [True]
    paths = [head.split(" ")[1] for head in server.heads]
    assert paths.index("/picture") <= 2  # started beside the first two, not after all four


def test_reading_ahead_is_lazy_and_bounded_by_count_and_bytes(server):
    pulled = []

    def source():
        for reference in references(server.url("/bytes?100000") for _ in range(200)):
            pulled.append(reference.key)
            yield reference

    with Fetcher(config(concurrency=2, ahead=50, ahead_bytes=300_000)) as fetcher:
        results = fetcher.fetch_all(source())
        assert len(next(results)[1]) == 100_000
        wait_until(lambda: len(pulled) >= 50)
        threading.Event().wait(0.1)
        assert len(pulled) == 50
        assert (
            server.requests["/bytes?100000"] <= 1 + 3 + 2
        )  # one taken, three fill the memory, two were in flight
        assert sum(1 for _ in results) == 199


def test_leaving_early_cancels_and_the_fetcher_goes_on(server):
    with Fetcher(config(concurrency=2, deadline=60)) as fetcher:
        abandoned = fetcher.fetch_all(references([server.url("/picture"), *[server.url("/drip")] * 10]))
        assert next(abandoned)[1] == PICTURE
        abandoned.close()
        assert [result for _, result in fetcher.fetch_all(references([server.url("/picture")]))] == [PICTURE]


def test_many_threads_share_one_fetcher(server):
    found: dict[int, list[bytes | Failure]] = {}

    def work(thread: int) -> None:
        urls = [server.url(f"/numbered/{thread}-{i}") for i in range(30)]
        found[thread] = [result for _, result in fetcher.fetch_all(references(urls))]

    with Fetcher(config(concurrency=4)) as fetcher:
        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {t: [f"/numbered/{t}-{i}".encode() for i in range(30)] for t in range(4)}


def test_pictures_that_are_there_already_pass_through_and_no_url_is_a_failure():
    there = Reference("a", ("c",), "tars", image=b"picture", url="http://never.test/")
    nowhere = Reference("b", ("c",), "cc3m")
    with Fetcher(config()) as fetcher:
        (_, first), (_, second) = fetcher.fetch_all([there, nowhere])
    assert first == b"picture"
    assert isinstance(second, Failure)
    assert second.reason == Reason.BAD_URL


def test_the_unforeseen_is_one_samples_failure():
    def broken(host: str) -> list[str]:
        raise RuntimeError("resolver on fire")

    with Fetcher(config(), lookup=broken) as fetcher:
        ((_, result),) = fetcher.fetch_all(references(["http://example.test/"]))
    assert isinstance(result, Failure)
    assert result.reason == Reason.ERROR
    assert "on fire" in result.detail


def test_closing_ends_what_is_in_flight(server):
    fetcher = Fetcher(config(concurrency=1, deadline=60))
    results = fetcher.fetch_all(references([server.url("/picture"), *[server.url("/drip")] * 3]))
    assert next(results)[1] == PICTURE
    fetcher.close()
    fetcher.close()
    rest = [result for _, result in results]
    assert [type(result) for result in rest] == [Failure] * 3


def test_dead_hosts_of_a_list_are_failures_not_exceptions():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with Fetcher(config()) as fetcher:
        results = [result for _, result in fetcher.fetch_all(references([f"http://127.0.0.1:{port}/"] * 20))]
    assert {result.reason for result in results if isinstance(result, Failure)} == {Reason.CONNECTION_ERROR}
    assert len(results) == 20


def test_bytes_are_bounded_over_all_callers_and_none_of_them_waits_for_ever(server):
    held = []

    def work() -> None:
        urls = [server.url("/halves") for _ in range(12)]
        for _, result in fetcher.fetch_all(references(urls)):
            assert len(result) == 200_000
            held.append(fetcher._budget._held)

    # The host has room for two downloads, which wait for memory while each caller waits for its next picture.
    with Fetcher(config(concurrency=4, per_host=2, ahead_bytes=250_000)) as fetcher:
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
        assert not any(thread.is_alive() for thread in threads)
        assert len(held) == 36
        assert max(held) <= 250_000 + 3 * 200_000  # the budget, and the picture that each caller waits for
        wait_until(lambda: fetcher._budget._held == 0)


def test_the_time_of_waiting_for_memory_does_not_count_against_the_deadline(server):
    urls = [server.url("/bytes?100000") for _ in range(6)]
    with Fetcher(config(concurrency=6, deadline=1, ahead_bytes=150_000)) as fetcher:
        results = fetcher.fetch_all(references(urls))
        assert len(next(results)[1]) == 100_000
        threading.Event().wait(1.2)  # a slow consumer
        assert [len(result) for _, result in results] == [100_000] * 5


def test_a_body_that_is_no_picture_is_refused_by_its_first_bytes(server):
    urls = [server.url("/endless"), server.url("/picture"), server.url("/html"), server.url("/gzipped")]
    with Fetcher(config(deadline=30), check=sniff) as fetcher:
        endless, picture, html, gzipped = [result for _, result in fetcher.fetch_all(references(urls))]
        assert (endless.stage, endless.reason) == (Stage.DECODE, Reason.NOT_AN_IMAGE)
        assert (html.stage, html.reason) == (Stage.DECODE, Reason.NOT_AN_IMAGE)
        assert (picture, gzipped) == (PICTURE, PICTURE)
        wait_until(lambda: server.left == 1)
        wait_until(lambda: fetcher._budget._held == 0)
