"""Changed frames: the same change for all frames of a clip, on the whole way from a loader to the device."""

from __future__ import annotations

from functools import partial
from itertools import islice
from pathlib import Path

import make_shards as shards_of
import pytest
import torch
from raw_samples import decoder, raw

from trainer.data.animate import to_device
from trainer.data.augment.clips import change_clips
from trainer.data.augment.draw import UNCHANGED
from trainer.data.batch import collate
from trainer.data.config import DataConfig
from trainer.data.loader import TrainingLoader
from trainer.data.shards import ShardSet
from trainer.model.towers import tokenize

CPU = torch.device("cpu")
SIZE = (32, 32)
CLIP = torch.randint(
    0, 256, (20, 3, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)


def row(**changed: float) -> torch.Tensor:
    names = ("left", "top", "width", "height", "mirrored", "brightness", "contrast", "saturation")
    values = dict(zip(names, UNCHANGED, strict=True)) | changed
    return torch.tensor([list(values.values())]).expand(len(CLIP), -1)


def test_a_row_of_no_change_changes_no_bit() -> None:
    assert torch.equal(change_clips(CLIP, row()), CLIP)


def test_a_mirrored_clip_is_mirrored_in_every_frame() -> None:
    assert torch.equal(change_clips(CLIP, row(mirrored=1.0)), CLIP.flip(3))


def test_a_crop_is_the_resized_part_of_every_frame() -> None:
    got = change_clips(CLIP, row(left=0.5, top=0.0, width=0.5, height=0.5))
    part = CLIP[:, :, :8, 8:].flatten(0, 1).permute(0, 3, 1, 2).float()
    wanted = torch.nn.functional.interpolate(part, size=(16, 16), mode="bilinear", align_corners=False)
    inner = got.flatten(0, 1).permute(0, 3, 1, 2).float() - wanted
    assert inner[:, :, 1:-1, 1:-1].abs().max() <= 1


def test_colours_change_as_they_are_defined() -> None:
    assert torch.allclose(change_clips(CLIP, row(brightness=0.5)).float(), CLIP.float() / 2, atol=0.51)
    grey = change_clips(CLIP, row(saturation=0.0))
    assert torch.equal(grey[..., 0], grey[..., 2])
    flat = change_clips(CLIP, row(contrast=0.0)).float()
    assert flat[0].std() == 0, "one mean for the clip, and so no flicker between its frames"


def test_clips_of_a_batch_have_their_own_rows() -> None:
    rows = row().clone()
    rows[17, 4] = 1.0
    got = change_clips(CLIP, rows)
    assert torch.equal(got[17], CLIP[17].flip(2))
    assert torch.equal(got[:17], CLIP[:17])


@pytest.mark.parametrize("store", ["still", "frames", "video"])
def test_a_flip_mirrors_frames_and_words_of_every_store(store: str) -> None:
    sample = raw(3, store, captions=("a dog to the left",))
    decoded = {flip: decoder(augment={"flip": flip})(sample, 0) for flip in (0.0, 1.0)}
    assert (decoded[0.0].captions, decoded[1.0].captions) == (("a dog to the left",), ("a dog to the right",))
    frames = {
        flip: to_device(collate([made], tokenize=tokenize, frames=4, size=SIZE), CPU, SIZE).frames_BTHWC
        for flip, made in decoded.items()
    }
    assert torch.equal(frames[1.0], frames[0.0].flip(3))


def test_a_mirrored_path_says_and_counts_as_the_other_side() -> None:
    mirrored, other = (
        decoder(motions=[motion], motion_phrases=1.0, augment={"flip": flip})(raw(4), 0)
        for motion, flip in (("pan_left", 1.0), ("pan_right", 0.0))
    )
    assert " right" in mirrored.captions[0]
    assert " left" not in mirrored.captions[0]
    assert mirrored.identity == other.identity


def test_captions_with_another_sense_of_left_are_not_mirrored_and_evaluation_changes_nothing() -> None:
    sample = raw(3, "frames", captions=("he left the room",))
    decoded = decoder(augment={"flip": 1.0})(sample, 0)
    assert (decoded.captions, decoded.changes[4]) == (("he left the room",), 0.0)
    assert decoder(training=False, augment={"flip": 1.0, "crop": 0.5})(sample, 0).changes is None


def test_a_loader_draws_changes_by_epoch_for_the_sets_that_ask_for_them(tmp_path: Path) -> None:
    shards_of.write_shards(tmp_path / "stills", 1, 4)
    shards_of.write_shards(tmp_path / "videos", 1, 4, "video")
    videos = {"shards": str(tmp_path / "videos"), "augment": {"crop": 0.5, "colour": 0.4}}
    mix = [{"shards": str(tmp_path / "stills")}, videos]
    config = DataConfig.make({"mix": mix, "workers": 0, "shuffle_samples": 0})
    found = [ShardSet.find(each.shards) for each in config.sets()]
    words = partial(tokenize, max_words=8)
    made = TrainingLoader(found, config, words, frames=4, size=SIZE, batch_size=8, seed=3)
    first, second = islice(iter(made), 2)
    plain = torch.tensor(UNCHANGED)
    assert all(torch.equal(first.changes[i], plain) for i in first.still_rows.tolist())
    changed = {key: first.changes[i] for i, key in enumerate(first.keys) if i in first.frame_rows.tolist()}
    later = {key: second.changes[i] for i, key in enumerate(second.keys) if i in second.frame_rows.tolist()}
    assert changed.keys() == later.keys()
    assert len({tuple(row.tolist()) for row in [*changed.values(), *later.values()]}) == 8
    assert to_device(first, CPU, SIZE).frames_BTHWC.shape == (8, 4, *SIZE, 3)
