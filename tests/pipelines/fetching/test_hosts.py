import pytest

from pipelines.fetching import hosts
from pipelines.fetching.hosts import HostPauses


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(hosts.time, "monotonic", lambda: now[0])
    return now


def test_a_pause_ends_and_the_longest_one_counts(clock: list[float]) -> None:
    pauses = HostPauses()
    pauses.ask("a.test", 10)
    pauses.ask("a.test", 2)
    assert (pauses.left("a.test"), pauses.left("b.test")) == (10.0, 0.0)
    clock[0] += 10
    assert pauses.left("a.test") == 0.0


def test_memory_for_hosts_is_bounded(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "MAX_HOSTS", 5)
    pauses = HostPauses()
    for number in range(50):
        pauses.ask(f"{number}.test", 3600)
    assert len(pauses._until) <= 5
    assert pauses.left("49.test") == 3600.0


def test_pauses_that_have_ended_make_room_first(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "MAX_HOSTS", 3)
    pauses = HostPauses()
    for name, seconds in (("short.test", 1), ("long.test", 3600), ("brief.test", 2)):
        pauses.ask(name, seconds)
    clock[0] += 5
    pauses.ask("new.test", 60)
    assert (pauses.left("long.test"), pauses.left("new.test")) == (3595.0, 60.0)
    assert len(pauses._until) == 2
