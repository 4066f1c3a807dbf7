"""The frames of search results."""

from __future__ import annotations

from pathlib import Path

import make_shards as shards_of
import numpy as np
import pytest

from schemas.errors import ConfigError
from storage.shards.read import ShardError, iter_shard
from trainer.index.frames import read_frames
from transforms.stores.read import read_clip

SHAPE = {"frames": 3, "size": (32, 32)}


def test_places_in_any_order_give_their_clips_and_none_for_the_missing(tmp_path: Path) -> None:
    stores = ("still", "mp4", "video")
    shard = shards_of.write_shard(tmp_path / "a.tar", [shards_of.sample(i, s) for i, s in enumerate(stores)])
    places = [
        (str(shard), "s000002"),
        ("/nowhere.tar", "s000000"),
        (str(shard), "x"),
        (str(shard), "s000000"),
    ]
    clips = read_frames(places, **SHAPE)
    assert [clip is None for clip in clips] == [False, True, True, False]
    samples = {sample.key: sample for sample in iter_shard(str(shard))}
    for (_, key), clip in zip(places, clips, strict=True):
        if clip is not None:
            np.testing.assert_array_equal(clip, read_clip(samples[key].members, samples[key].meta(), **SHAPE))


def test_a_broken_clip_names_shard_and_key(tmp_path: Path) -> None:
    key, members = shards_of.sample(0)
    shard = shards_of.write_shard(tmp_path / "a.tar", [(key, members | {"jpg": b"no picture"})])
    with pytest.raises(ShardError, match=r"a\.tar: s000000: not a JPEG"):
        read_frames([(str(shard), key)], **SHAPE)


@pytest.mark.parametrize(
    "shard",
    ["http://169.254.169.254/a.tar", "https://10.0.0.1/a.tar", "zip://a.tar::http://127.0.0.1:9/a.zip"],
)
def test_no_server_that_an_index_names_is_asked(shard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a server was asked"))
    with pytest.raises(ConfigError, match=r"no way to open https?:// addresses here"):
        read_frames([(shard, "s000000")], **SHAPE)
