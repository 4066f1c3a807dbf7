"""The table of stores: every consumer decodes the same bits, and a new store is a class and one entry."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import make_shards as shards_of
import numpy as np
import pytest
import torch

from pipelines.output.validate import validate
from preview.show.clips import load_frames
from storage.shards.read import RawSample, iter_shard
from tests.transforms.stores.saturated import saturated_clip
from trainer.data.animate import to_device
from trainer.data.batch import collate
from trainer.data.config import DataConfig
from trainer.data.decode import Decoder
from trainer.data.loader import TrainingLoader
from trainer.data.shards import ShardSet
from trainer.index.frames import read_frames
from trainer.model.towers import tokenize
from transforms.media.video.mp4 import Pick
from transforms.settings import ClipSettings
from transforms.stores.base import Encoding, FrameStore, Members
from transforms.stores.registry import STORES, find_store
from transforms.stores.webdataset import decode_clip

SIZE = (64, 64)


class StripStore(FrameStore):
    """A store of the tests' own: all frames side by side in one PNG."""

    name = "strip"
    summary = "one picture of all frames"

    def describe(self, frames: int, extension: str) -> str:
        return "`KEY.png`, all frames side by side"

    def encode(self, frames_THWC: np.ndarray, fps: float, encoding: Encoding) -> dict[str, bytes]:
        strip = cv2.cvtColor(np.concatenate(list(frames_THWC), axis=1), cv2.COLOR_RGB2BGR)
        return {"png": cv2.imencode(".png", strip)[1].tobytes()}

    def stored(self, members: Members, pick: Pick = range) -> Iterator[np.ndarray]:
        strip = cv2.imdecode(np.frombuffer(members["png"], np.uint8), cv2.IMREAD_COLOR_RGB)
        count = strip.shape[1] // strip.shape[0]
        for ordinal in pick(count):
            yield np.ascontiguousarray(np.split(strip, count, axis=1)[ordinal])


@pytest.fixture
def stores(monkeypatch) -> None:
    monkeypatch.setitem(STORES, "strip", StripStore())


def trained(sample: RawSample) -> np.ndarray:
    """The frames that the encoders of the trainer take."""
    decoder = Decoder(DataConfig(shards="x", camera="stored"), frames=5, size=SIZE, seed=0, training=True)
    batch = collate([decoder(sample, 0)], tokenize=tokenize, frames=5, size=SIZE)
    return to_device(batch, torch.device("cpu"), SIZE).frames_BTHWC[0].numpy()


@pytest.mark.parametrize("store", ["frames", "mp4", "still", "strip"])
def test_every_consumer_decodes_a_clip_to_the_same_bits(stores, tmp_path, store: str) -> None:
    clip = saturated_clip(store)
    shard = shards_of.write_shard(tmp_path / "00000.tar", [("sat", clip.members)])
    (sample,) = iter_shard(str(shard))
    shown, fps = load_frames(sample)
    assert (shown.shape, fps) == ((5, *SIZE, 3), 8.0)
    np.testing.assert_array_equal(trained(sample), shown)
    np.testing.assert_array_equal(read_frames([(str(shard), "sat")], frames=5, size=SIZE)[0], shown)
    np.testing.assert_array_equal(decode_clip({"__key__": "sat", **sample.members})["frames"], shown)
    checked = find_store(store)
    if isinstance(checked, FrameStore):
        np.testing.assert_array_equal(np.stack(list(checked.stored(sample.members))), shown)
    exact = saturated_clip("frames", encode={"format": "png"})
    wanted = load_frames(RawSample("s", "sat", exact.members))[0]
    lossless = store == "strip"
    assert np.abs(shown.astype(int) - wanted).mean() <= (0 if lossless else 40)


@pytest.mark.parametrize("store", ["frames", "mp4", "still", "strip"])
def test_a_registered_store_is_made_checked_shown_and_trained_on(stores, tmp_path, store: str) -> None:
    samples = [(f"s{i}", saturated_clip(store, f"s{i}", seed=i).members) for i in range(4)]
    for shard in range(2):
        shards_of.write_shard(tmp_path / f"{shard:05d}.tar", samples[2 * shard : 2 * shard + 2])
    shards_of.write_manifest(tmp_path)
    problems = validate(str(tmp_path)).problems
    assert [text for text in problems if "samples.parquet" not in text] == []
    loader = TrainingLoader(
        ShardSet.find(str(tmp_path)),
        DataConfig(shards=str(tmp_path), workers=0, shuffle_samples=0),
        tokenize,
        frames=5,
        size=SIZE,
        batch_size=2,
        seed=0,
    )
    batch = next(iter(loader))
    assert to_device(batch, torch.device("cpu"), SIZE).frames_BTHWC.shape == (2, 5, *SIZE, 3)
    broken = saturated_clip(store, "s1").members
    name = next(iter(broken))
    broken[name] = broken[name][: len(broken[name]) // 2]
    shards_of.write_shard(tmp_path / "00000.tar", [("s0", samples[0][1]), ("s1", broken)])
    assert any("s1: does not decode" in text for text in validate(str(tmp_path)).problems)


def test_a_config_names_the_registered_stores() -> None:
    assert find_store("mp4") is STORES["mp4"]
    with pytest.raises(ValueError, match=r"store = 'gif' .* one of frames, mp4, still"):
        ClipSettings.make({"store": "gif"})
    with pytest.raises(ValueError, match="store 5 is not known"):
        find_store(5)  # type: ignore[arg-type]
