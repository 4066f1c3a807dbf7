"""A signal during a submission is heard at its end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import pytest

from pipelines.running.remote.held import held_signals

pytestmark = pytest.mark.usefixtures("ctrl_c_raises")


@pytest.fixture
def ctrl_c_raises():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def hold(body: Callable[[], None], hear: Callable[[], None] = lambda: None) -> None:
    """Call `body` with signals held."""
    with held_signals(hear):
        body()


def test_the_block_ends_before_ctrl_c_is_raised():
    done: list[str] = []

    def body() -> None:
        signal.raise_signal(signal.SIGINT)
        done.append("submitted")

    with pytest.raises(KeyboardInterrupt):
        hold(body, lambda: done.append("heard"))
    assert done == ["heard", "submitted"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_second_ctrl_c_is_not_held():
    done: list[str] = []

    def body() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        done.append("submitted")

    with pytest.raises(KeyboardInterrupt):
        hold(body)
    assert not done


def test_an_error_of_the_block_does_not_swallow_ctrl_c():
    def body() -> None:
        signal.raise_signal(signal.SIGINT)
        raise RuntimeError

    with pytest.raises(KeyboardInterrupt):
        hold(body)


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with held_signals(lambda: pytest.fail("it is not heard")):
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_hold_nothing():
    handlers: list[object] = []

    def body() -> None:
        with held_signals(lambda: None):
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]
