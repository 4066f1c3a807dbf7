"""`zoetrope.decode_clip` in webdataset's own pipelines."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import make_shards as shards_of
import numpy as np
import pytest
import webdataset

import zoetrope
from preview.show.clips import load_frames
from storage.shards.read import RawSample
from tests.transforms.stores.saturated import saturated_clip
from transforms.stores.registry import STORES


def pipeline(path) -> webdataset.WebDataset:
    return webdataset.WebDataset(str(path), shardshuffle=False, empty_check=False)


@pytest.mark.parametrize("store", STORES)
def test_samples_of_every_store_are_decoded(tmp_path, store: str) -> None:
    clip = saturated_clip(store)
    shard = shards_of.write_shard(tmp_path / "a.tar", [("sat", clip.members)])
    (decoded,) = pipeline(shard).map(zoetrope.decode_clip)
    assert decoded["__key__"] == "sat"
    assert decoded["__url__"] == str(shard)
    np.testing.assert_array_equal(decoded["frames"], load_frames(RawSample("s", "sat", clip.members))[0])
    assert decoded["caption"] == "red and blue"
    assert decoded["captions"] == ["red and blue"]
    assert decoded["metadata"]["motion"] == "zoom_in"
    assert decoded["metadata"]["store"] == store


def test_real_videos_and_clips_of_one_size_make_a_batch(tmp_path) -> None:
    samples = [
        shards_of.sample(0, "still"),
        shards_of.sample(1, "video", frames=9),
        shards_of.sample(2, "mp4"),
    ]
    shard = shards_of.write_shard(tmp_path / "a.tar", samples)

    def decode(sample: dict) -> dict:
        return zoetrope.decode_clip(sample, frames=4, size=(24, 32))

    (frames, captions), *rest = pipeline(shard).map(decode).to_tuple("frames", "caption").batched(3)
    assert not rest
    assert np.stack(frames).shape == (3, 4, 24, 32, 3)
    assert len(captions) == 3


def test_the_example_of_the_docs_runs_as_it_is_written(tmp_path, monkeypatch, capsys) -> None:
    docs = (Path(__file__).parents[3] / "docs" / "shards.md").read_text()
    (example,) = (
        block for block in re.findall(r"```python\n(.*?)```", docs, re.DOTALL) if "decode_clip" in block
    )
    for shard, store in enumerate(("still", "mp4")):
        samples = [shards_of.sample(10 * shard + i, store) for i in range(3)]
        shards_of.write_shard(tmp_path / "clips" / f"{shard:05d}.tar", samples)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "shards.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 8
    assert printed[0].startswith("s000000 (4, 32, 32, 3) a red square on green number 0")
    assert printed[6].startswith("(4, 4, 128, 128, 3) ['a red square")


def test_a_broken_sample_names_shard_and_key_and_can_be_skipped(tmp_path) -> None:
    samples = [shards_of.sample(i, "frames") for i in range(3)]
    samples[1][1]["002.jpg"] = b"no picture"
    shard = shards_of.write_shard(tmp_path / "a.tar", samples)
    with pytest.raises(ValueError, match=r"a\.tar: s000001: .*not a JPEG"):
        list(pipeline(shard).map(zoetrope.decode_clip))
    kept = list(pipeline(shard).map(zoetrope.decode_clip, handler=webdataset.ignore_and_continue))
    assert [sample["__key__"] for sample in kept] == ["s000000", "s000002"]


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a member was unpickled",))


@pytest.mark.parametrize("name", ["json", "txt", "jpg", "pyd", "pickle"])
def test_nothing_is_unpickled(name: str) -> None:
    key, members = shards_of.sample(0)
    sample = {"__key__": key, **members, name: pickle.dumps(Bomb())}
    if name in ("json", "jpg", "txt"):
        with pytest.raises(ValueError, match=key):
            zoetrope.decode_clip(sample)
    else:
        assert "frames" in zoetrope.decode_clip(sample)


def test_decoded_members_and_missing_ones_are_named() -> None:
    key, members = shards_of.sample(0)
    with pytest.raises(
        ValueError, match=r"KEY.json is dict, not bytes; put decode_clip before any \.decode\(\)"
    ):
        zoetrope.decode_clip({"__key__": key, **members, "json": {}})
    for name in ("json", "txt", "jpg"):
        with pytest.raises(ValueError, match=rf"{key}: KEY.{name} is missing"):
            zoetrope.decode_clip({"__key__": key} | {k: v for k, v in members.items() if k != name})
