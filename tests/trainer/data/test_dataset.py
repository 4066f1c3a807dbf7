"""Order, shuffling, decoding and collating."""

from __future__ import annotations

import pickle
import random

import make_shards as shards_of
import numpy as np
import pytest
import torch

from schemas.errors import ConfigError
from storage.shards.read import RawSample, ShardError
from trainer.data.animate import normalise, render_on_device, to_device
from trainer.data.batch import collate
from trainer.data.config import DataConfig
from trainer.data.decode import Decoder, Request
from trainer.data.order import check_slots, share, shuffled
from trainer.data.pixels import Pixels
from trainer.data.shards import Dropped, ShardSet, read_ahead, read_shards
from trainer.model.towers import tokenize
from transforms.rendering.render import render

SIZE = (32, 32)


def raw(index: int, store: str = "still", **options) -> RawSample:
    key, members = shards_of.sample(index, store, **options)
    return RawSample("test.tar", key, members)


def decoder(training: bool = True, frames: int = 4, **fields) -> Decoder:
    return Decoder(DataConfig(shards="x", **fields), frames=frames, size=SIZE, seed=5, training=training)


@pytest.mark.parametrize(("shards", "slots"), [(8, 4), (7, 3), (5, 5), (13, 4)])
def test_every_shard_goes_to_exactly_one_slot_in_every_epoch(shards: int, slots: int) -> None:
    names = [f"{i:05d}.tar" for i in range(shards)]
    for epoch in range(6):
        dealt = [share(names, seed=1, epoch=epoch, slot=slot, slots=slots) for slot in range(slots)]
        assert sorted(name for part in dealt for name in part) == names
        assert all(part for part in dealt)


def test_slots_read_equally_much_over_the_epochs() -> None:
    names = [str(i) for i in range(7)]
    counts = [sum(len(share(names, seed=1, epoch=e, slot=s, slots=3)) for e in range(3)) for s in range(3)]
    assert counts == [7, 7, 7]


def test_shard_order_differs_by_epoch_and_seed_and_is_the_same_again() -> None:
    names = [str(i) for i in range(20)]
    orders = [share(names, seed=s, epoch=e, slot=0, slots=1) for s in (0, 1) for e in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4
    assert orders[0] == share(names, seed=0, epoch=0, slot=0, slots=1)


def test_too_few_shards_says_both_numbers_and_the_fix() -> None:
    with pytest.raises(ConfigError, match=r"6 shards for 2 ranks x 4 workers = 8 readers.*data.workers=3"):
        check_slots(6, 2, 4)
    with pytest.raises(ConfigError, match=r"1 shards for 2 ranks x 1 workers.*at most 1 processes"):
        check_slots(1, 2, 0)
    check_slots(8, 2, 4)


def test_the_buffer_fills_before_anything_leaves_and_nothing_is_lost() -> None:
    samples = [RawSample("a", str(i), {"txt": b"x" * 10}) for i in range(50)]
    taken = 0

    def count():
        nonlocal taken
        for sample in samples:
            taken += 1
            yield sample

    stream = shuffled(count(), random.Random(0), max_samples=20, max_bytes=10**6)
    first = next(stream)
    assert taken == 21
    out = [first, *stream]
    assert sorted(int(s.key) for s in out) == list(range(50))
    assert [s.key for s in out] != [s.key for s in samples]
    taken = 0
    next(shuffled(count(), random.Random(0), max_samples=20, max_bytes=55))
    assert taken == 6  # five fit into 55 bytes


def test_no_buffer_keeps_the_order() -> None:
    samples = [RawSample("a", str(i), {"txt": b"x"}) for i in range(5)]
    assert list(shuffled(samples, random.Random(0), max_samples=0, max_bytes=10)) == samples


def test_frames_come_back_as_they_were_written() -> None:
    decoded = decoder()(raw(3, "frames"), epoch=0)
    assert decoded.frames_THWC is not None
    wanted = np.stack([np.roll(shards_of.picture(3, 32, 32), 2 * t, axis=1) for t in range(4)])
    assert decoded.frames_THWC.shape == (4, 32, 32, 3)
    assert np.abs(decoded.frames_THWC.astype(int) - wanted).mean() < 8  # JPEG


def test_more_frames_are_sampled_and_fewer_are_padded() -> None:
    short, long = decoder()(raw(0, "video", frames=2), 0), decoder()(raw(1, "video", frames=9), 0)
    batch = collate([short, long], tokenize=tokenize, frames=4, size=SIZE)
    assert batch.frame_mask.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert batch.frames.shape == (2, 4, 32, 32, 3)
    assert batch.frames[0, 2:].sum() == 0


def test_frames_of_another_size_are_fitted() -> None:
    frames_THWC = decoder()(raw(0, "frames", size=48), 0).frames_THWC
    assert frames_THWC.shape == (4, 32, 32, 3)


def test_stored_stills_are_rendered_along_their_quads() -> None:
    sample = raw(4)
    decoded = decoder(camera="stored")(sample, 0)
    batch = collate([decoded], tokenize=tokenize, frames=4, size=SIZE)
    inputs = to_device(batch, torch.device("cpu"), SIZE)
    wanted = render(decoded.picture_HWC, sample.meta().quads_T42(), size=SIZE)
    assert np.array_equal(inputs.frames_BTHWC[0].numpy(), wanted)


def test_the_renderer_of_gpus_gives_the_same_frames() -> None:
    decode = decoder()
    batch = collate([decode(raw(i), 0) for i in range(3)], tokenize=tokenize, frames=4, size=SIZE)
    inputs = to_device(batch, torch.device("cpu"), SIZE)
    frames = render_on_device(batch, batch, SIZE)
    assert (frames.int() - inputs.frames_BTHWC.int()).abs().max() <= 1


def test_a_plan_made_in_the_worker_gives_the_frames_of_one_made_on_the_device() -> None:
    decode = decoder()
    samples = [decode(raw(i), 0) for i in range(3)]
    plain = collate(samples, tokenize=tokenize, frames=4, size=SIZE)
    planned = pickle.loads(pickle.dumps(collate(samples, tokenize=tokenize, frames=4, size=SIZE, plan=True)))
    assert plain.plan is None
    assert planned.plan.counts == (4, 4, 4)
    assert torch.equal(render_on_device(planned, planned, SIZE), render_on_device(plain, plain, SIZE))


def test_a_path_that_leaves_the_picture_is_an_error_of_that_sample() -> None:
    key, members = shards_of.sample(0)
    members["json"] = members["json"].replace(b'"quads":[[[0.0,0.0]', b'"quads":[[[-0.5,0.0]')
    with pytest.raises(ValueError, match="quads"):
        decoder(camera="stored")(RawSample("x", key, members), 0)


def test_stills_move_anew_every_epoch_and_the_same_in_the_same_epoch() -> None:
    sample, decode = raw(4), decoder()
    paths = [decode(sample, epoch).quads_T42 for epoch in (0, 1, 1)]
    assert not np.array_equal(paths[0], paths[1])
    assert np.array_equal(paths[1], paths[2])
    assert all(p.min() >= 0 and p.max() <= 1 and p.shape == (4, 4, 2) for p in paths)
    stored = decoder(training=False)(sample, 3).quads_T42
    assert np.array_equal(stored, sample.meta().quads_T42())


def test_only_the_motions_asked_for_are_drawn() -> None:
    path = decoder(motions=["static"])(raw(4), 0).quads_T42
    assert np.array_equal(path, np.repeat(path[:1], 4, axis=0))


def test_epochs_take_a_samples_captions_in_turn() -> None:
    captions = tuple(f"caption {i}" for i in range(5))
    samples = [raw(index, captions=captions) for index in range(20)]
    decode = decoder()
    for sample in samples[:3]:
        ten = [decode(sample, epoch).captions for epoch in range(10)]
        assert sorted(ten) == sorted([(caption,) for caption in captions] * 2)
    assert len({decode(sample, 0).captions for sample in samples}) > 1  # where they begin differs by key
    assert decoder(training=False)(samples[0], 0).captions == captions


def test_stores_mix_in_a_batch_and_keep_their_places() -> None:
    decode = decoder(camera="stored")
    samples = [raw(0, "still"), raw(1, "frames"), raw(2, "mp4"), raw(3, "still")]
    batch = collate([decode(s, 0) for s in samples], tokenize=tokenize, frames=4, size=SIZE)
    inputs = to_device(batch, torch.device("cpu"), SIZE)
    assert inputs.frames_BTHWC.shape == (4, 4, 32, 32, 3)
    for row, sample in enumerate(samples):
        alone = to_device(
            collate([decode(sample, 0)], tokenize=tokenize, frames=4, size=SIZE), torch.device("cpu"), SIZE
        )
        assert torch.equal(inputs.frames_BTHWC[row], alone.frames_BTHWC[0])


def test_normalising_is_clips_and_padding_is_zero() -> None:
    frames = torch.full((1, 2, 3, 3, 3), 255, dtype=torch.uint8)
    mean, std = torch.tensor([0.5, 0.25, 0.0]), torch.tensor([0.5, 0.25, 2.0])
    out = normalise(frames, torch.tensor([[1, 0]]), mean, std)
    assert out.shape == (1, 2, 3, 3, 3)
    assert torch.allclose(out[0, 0].amax((1, 2)), torch.tensor([1.0, 3.0, 0.5]))
    assert out[0, 1].abs().sum() == 0


def test_many_at_once_are_as_one_by_one_and_broken_ones_leave_no_gap() -> None:
    samples = [raw(0), raw(1), raw(2, "frames"), raw(3), raw(4), raw(5, "mp4"), raw(6)]
    samples[1].members["jpg"] = samples[1].members["jpg"][:-100]  # good header, breaks off
    samples[3].members["json"] = b"{"
    samples[4].members.pop("jpg")
    decode, pixels = decoder(), Pixels(shared=False)
    together = decode.all([Request(sample, 2) for sample in samples], pixels)
    assert [isinstance(made, ValueError) for made in together] == [i in (1, 3, 4) for i in range(7)]
    assert "s000004" in str(together[4]) or "jpg is missing" in str(together[4])
    for made, sample in zip(together, samples, strict=True):
        if not isinstance(made, Exception):
            alone = decode(sample, 2)
            for name in ("frames_THWC", "picture_HWC", "quads_T42", "captions", "identity"):
                assert np.array_equal(getattr(made, name), getattr(alone, name))
    stills = [made.picture_HWC.reshape(-1) for made in (together[0], together[6])]
    assert np.array_equal(pixels.take().numpy(), np.concatenate(stills))


def test_members_of_other_pictures_decode_too() -> None:
    import cv2

    image = shards_of.picture(5)
    png = cv2.imencode(".png", image[..., ::-1])[1].tobytes()
    key, members = shards_of.sample(5)
    members = {"png": png, **{k: v for k, v in members.items() if k != "jpg"}}
    decoded = decoder(camera="stored")(RawSample("x", key, members), 0)
    assert decoded.picture_HWC is not None
    assert (
        np.array_equal(decoded.picture_HWC[:4, :4], image[:4, :4]) or decoded.picture_HWC.shape != image.shape
    )


def test_a_truncated_shard_is_named_and_its_good_part_used(tmp_path) -> None:
    folder = shards_of.write_shards(tmp_path, 2, 6, "still")
    first = folder / "00000.tar"
    first.write_bytes(first.read_bytes()[: first.stat().st_size // 2])
    broken: list[Dropped] = []
    uris = ShardSet.find(str(folder)).uris
    keys = [s.key for s in read_shards(uris, policy="skip", on_broken=broken.append)]
    assert len(broken) == 1
    assert str(first) in str(broken[0])
    assert "truncated" in str(broken[0]) or "cut off" in str(broken[0])
    assert keys[-6:] == [f"s{i:06d}" for i in range(6, 12)]
    assert len(keys) > 6
    with pytest.raises(ShardError, match=r"00000\.tar"):
        list(read_shards(uris, policy="error", on_broken=broken.append))


def test_a_missing_shard_is_named() -> None:
    broken: list[Dropped] = []
    assert list(read_shards(["/nowhere/7.tar"], policy="skip", on_broken=broken.append)) == []
    assert "/nowhere/7.tar" in str(broken[0])


def test_reading_ahead_changes_nothing_and_passes_errors_on() -> None:
    samples = [RawSample("a", str(i), {"txt": b"x"}) for i in range(30)]
    assert list(read_ahead(iter(samples), 4)) == samples

    def failing():
        yield samples[0]
        raise ShardError("a: broken")

    stream = read_ahead(failing(), 4)
    assert next(stream) == samples[0]
    with pytest.raises(ShardError, match="a: broken"):
        next(stream)


def test_the_count_comes_from_the_manifest(tmp_path) -> None:
    assert ShardSet.find(str(shards_of.write_shards(tmp_path / "a", 3, 4))).samples == 12
    assert ShardSet.find(str(tmp_path / "a" / "0000[01].tar")).samples == 8
    assert ShardSet.find(str(shards_of.write_shards(tmp_path / "b", 1, 4, manifest=False))).samples is None
    with pytest.raises(ValueError, match="named twice"):
        ShardSet.find([str(tmp_path / "a"), str(tmp_path / "a" / "00000.tar")])
