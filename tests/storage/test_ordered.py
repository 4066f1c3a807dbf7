"""storage.ordered: order, bounds in calls and bytes, errors, cancellation."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.ordered import HeldBytes, Window, in_order


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as made:
        yield made


def test_results_come_in_input_order(pool):
    def slow_first(number: int) -> int:
        time.sleep(0.05 if number == 0 else 0)
        return number * number

    assert list(in_order(lambda n: pool.submit(slow_first, n), range(50), calls=8)) == [
        n * n for n in range(50)
    ]


def test_no_more_calls_are_under_way_than_allowed(pool):
    read = []

    def source():
        for number in range(40):
            read.append(number)
            yield number

    results = in_order(lambda n: pool.submit(abs, n), source(), calls=3)
    for taken in range(10):
        assert next(results) == taken
        assert len(read) <= taken + 3
    results.close()


def test_bytes_bound_the_window_whatever_the_number_of_calls(pool):
    read = []

    def source():
        for number in range(20):
            read.append(number)
            yield b"x" * 100

    results = in_order(lambda data: pool.submit(len, data), source(), calls=1000, size_of=len, max_bytes=250)
    for taken in range(5):
        assert next(results) == 100
        assert len(read) <= taken + 3
    assert len(list(results)) == 15


def test_an_item_larger_than_the_bound_is_still_called(pool):
    large = [b"x" * 1000] * 3
    results = in_order(lambda data: pool.submit(len, data), large, calls=4, size_of=len, max_bytes=10)
    assert list(results) == [1000] * 3


def test_the_first_error_in_input_order_is_raised(pool):
    def fail(number: int) -> int:
        if number in (3, 5):
            raise ValueError(f"item {number}")
        return number

    results = in_order(lambda n: pool.submit(fail, n), range(10), calls=8)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="item 3"):
        next(results)


def test_closing_the_iterator_cancels_what_has_not_begun_and_waits_for_the_rest():
    begun, ended = [], []
    gate = threading.Event()

    def call(number: int) -> int:
        begun.append(number)
        if number:
            gate.wait(5)
        ended.append(number)
        return number

    with ThreadPoolExecutor(2) as pool:
        results = in_order(lambda n: pool.submit(call, n), range(100), calls=20)
        assert next(results) == 0
        threading.Timer(0.1, gate.set).start()
        results.close()
        assert sorted(begun) == sorted(ended)
        assert len(begun) < 20


def test_a_window_gives_the_item_back_with_its_result(pool):
    window: Window[str, int] = Window(calls=2)
    window.add("a", pool.submit(len, "one"))
    assert not window.full
    window.add("b", pool.submit(len, "three"))
    assert window.full
    assert [window.take(), window.take()] == [("a", 3), ("b", 5)]
    assert len(window) == 0


def test_windows_share_their_bytes_and_give_them_back_when_they_are_cancelled(pool):
    held = HeldBytes()
    one, other = (Window(calls=9, max_bytes=100, held=held) for _ in range(2))
    one.add("a", pool.submit(len, "a"), size=70)
    other.add("b", pool.submit(len, "b"), size=20)
    assert not other.full
    one.add("c", pool.submit(len, "c"), size=10)
    assert one.full
    assert other.full
    one.cancel()
    assert held.bytes == 20
    assert other.take() == ("b", 1)
    assert held.bytes == 0
