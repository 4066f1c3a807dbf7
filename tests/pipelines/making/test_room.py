"""Room for large pictures: who waits, who need not, and that nobody waits for ever."""

from __future__ import annotations

import threading

import pytest

from pipelines.making import room as module
from pipelines.making.room import Room, read_in_room
from schemas.records import Reason, SampleError


def test_the_next_picture_never_waits_and_others_wait_for_room():
    room, order = Room(100), []

    def read(number: int, size: int) -> None:
        room.take(number, size)
        order.append(number)

    read(1, 90)
    head, later = (threading.Thread(target=read, args=of, daemon=True) for of in ((0, 500), (2, 50)))
    later.start()
    head.start()
    head.join(30)
    later.join(0.1)
    assert order == [1, 0]
    room.next()
    later.join(0.1)
    assert order == [1, 0]  # number 1 is still held
    room.next()
    later.join(30)
    assert order == [1, 0, 2]


def test_closing_lets_everybody_go():
    room = Room(10)
    room.take(1, 10)
    waiting = threading.Thread(target=room.take, args=(2, 10), daemon=True)
    waiting.start()
    room.close()
    waiting.join(30)
    assert not waiting.is_alive()


def test_small_and_large_pictures_are_read_whole_and_large_text_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SMALL", 1000)
    picture = b"\xff\xd8\xff" + bytes(5000)
    for name, data in (("small", picture[:500]), ("exact", picture[:1000]), ("large", picture)):
        (tmp_path / name).write_bytes(data)
        assert read_in_room(str(tmp_path / name), 10_000, Room(10), 0) == data
    for name, data, limit, reason in (
        ("text", b"<html>" * 1000, 10_000, Reason.NOT_AN_IMAGE),
        ("large", picture, 3000, Reason.TOO_LARGE),
        ("large", picture, 500, Reason.TOO_LARGE),
        ("empty", b"", 10_000, Reason.EMPTY_BODY),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(SampleError) as failed:
            read_in_room(str(tmp_path / name), limit, Room(10), 0)
        assert failed.value.reason == reason
    with pytest.raises(SampleError) as failed:
        read_in_room(str(tmp_path / "none"), 10_000, Room(10), 0)
    assert failed.value.reason == Reason.MISSING_IMAGE
