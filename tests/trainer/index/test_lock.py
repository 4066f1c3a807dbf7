"""Two writers of an index: on a disk, and in an object store."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import make_shards as shards_of
import pytest
from takers import ONE_HAS_IT, take_at_once
from tiny_index import checkpoint
from waiting import wait_until

from schemas.errors import ConfigError
from storage.read import exists, open_uri
from storage.write import write_bytes
from trainer.index.build import index
from trainer.index.config import IndexSettings
from trainer.index.lock import writing


def held_by(uri: str, **changes) -> None:
    holder = {"host": "elsewhere", "pid": 7, "token": "theirs", "time": time.time()}
    write_bytes(f"{uri}/.lock", json.dumps({**holder, **changes}).encode())


@pytest.fixture(params=["disk", "memory"])
def place(request, tmp_path: Path) -> str:
    return str(tmp_path / "index") if request.param == "disk" else f"memory://{tmp_path.name}/index"


def test_two_writers_do_not_meet(tmp_path: Path, place: str) -> None:
    model = checkpoint(tmp_path / "model")
    clips = shards_of.write_shards(tmp_path / "clips", 1, 4, "video")
    with writing(place), pytest.raises(ConfigError, match="another `zoetrope index` is writing there"):
        index(model, str(clips), place, IndexSettings(device="cpu"))
    assert index(model, str(clips), place, IndexSettings(device="cpu")).shards == 1
    with writing(place):
        pass  # free again


def test_one_of_many_that_begin_at_once_has_it(place: str) -> None:
    assert take_at_once(lambda: writing(place)) == ONE_HAS_IT


def test_the_refusal_says_who_and_when_it_is_free(tmp_path: Path) -> None:
    place = f"memory://{tmp_path.name}/index"
    held_by(place)
    with (
        pytest.raises(ConfigError, match=r"process 7 on elsewhere.*index/\.lock is free 120 s after"),
        writing(place),
    ):
        pass


def test_what_a_dead_process_held_is_taken(tmp_path: Path) -> None:
    place = f"memory://{tmp_path.name}/index"
    held_by(place, time=0)
    with writing(place, beat=0.05, lease=0.3), open_uri(f"{place}/.lock") as stream:
        assert json.load(stream)["pid"] == os.getpid()
    assert not exists(f"{place}/.lock")


def test_a_lost_lock_is_noticed(tmp_path: Path) -> None:
    place = f"memory://{tmp_path.name}/index"
    with writing(place, beat=0.02) as lock:
        lock.check()
        held_by(place)
        with pytest.raises(ConfigError, match="has taken over"):
            wait_until(lambda: lock.check())
    assert exists(f"{place}/.lock")  # theirs
