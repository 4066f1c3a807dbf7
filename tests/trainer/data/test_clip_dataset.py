"""Clips as a PyTorch dataset: the bits of the stored clips, each once, split over workers."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import make_shards as shards_of
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import zoetrope
from schemas.errors import ConfigError
from storage.shards.read import iter_shard
from transforms.stores.read import read_clip
from transforms.subject.subject import find_subject

SHAPE = {"frames": 4, "size": (32, 32)}
EIGHT = ["pan_left", "pan_right", "pan_up", "pan_down", "zoom_in", "zoom_out", "rotate_cw", "rotate_ccw"]
ROOT = Path(__file__).parents[3]


def dataset(folder: Path, **options) -> zoetrope.ClipDataset:
    return zoetrope.ClipDataset(str(folder), **{**SHAPE, **options})


@pytest.mark.parametrize("store", ["still", "frames", "mp4", "video"])
def test_frames_are_bit_for_bit_those_of_the_stored_clip(store: str, tmp_path: Path) -> None:
    folder = shards_of.write_shards(tmp_path, 1, 3, store)
    made = {sample["key"]: sample for sample in dataset(folder)}
    assert len(made) == 3
    for raw in iter_shard(str(folder / "00000.tar")):
        sample, meta = made[raw.key], raw.meta()
        wanted = read_clip(raw.members, meta, frames=4, size=(32, 32))
        assert np.array_equal(sample["frames"].numpy(), wanted)
        assert sample["caption"] in meta.captions
        assert sample["captions"] == [sample["caption"]]
        assert sample["frame_mask"].tolist() == [1, 1, 1, 1]
        assert sample["motion"] == ("" if store == "video" else meta.motion)
        assert sample["quads"].shape == (4, 4, 2)
        if store == "still":
            assert np.array_equal(sample["quads"].numpy(), meta.quads_T42())


def test_short_clips_are_padded_and_masked(tmp_path: Path) -> None:
    folder = shards_of.write_shards(tmp_path, 1, 1, "video", frames=2)
    (sample,) = dataset(folder)
    assert sample["frame_mask"].tolist() == [1, 1, 0, 0]
    assert sample["frames"].shape == (4, 32, 32, 3)
    assert not sample["frames"][2:].any()


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_has_every_clip_once_and_collates(workers: int, tmp_path: Path) -> None:
    folder = shards_of.write_shards(tmp_path, 3, 4)
    loader = DataLoader(dataset(folder, shuffle=3), batch_size=4, num_workers=workers)
    batches = list(loader)
    assert sorted(key for batch in batches for key in batch["key"]) == [f"s{i:06d}" for i in range(12)]
    assert batches[0]["frames"].shape == (4, 4, 32, 32, 3)
    assert batches[0]["frames"].dtype == torch.uint8
    assert batches[0]["video_id"].dtype == torch.int64


@pytest.fixture(scope="module")
def two_sets(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """Three shares of one set to one of another; the captions name the set."""
    folder = tmp_path_factory.mktemp("sets")
    shards_of.write_shards(folder / "many", 4, 6, captions=("many",))
    shards_of.write_shards(folder / "few", 2, 4, captions=("few",))
    return [{"shards": str(folder / "many"), "weight": 3}, {"shards": str(folder / "few")}]


def read(mix: list[dict], workers: int = 0, **options) -> list[tuple[str, str]]:
    clips = zoetrope.ClipDataset(mix, **SHAPE, **options)
    loader = DataLoader(clips, batch_size=None, num_workers=workers)
    return [(sample["caption"], sample["key"]) for sample in loader]


def test_a_mix_has_exact_shares_and_ends_with_the_set_that_ends_first(two_sets: list[dict]) -> None:
    found = read(two_sets, shuffle=5)
    assert found == read(two_sets, shuffle=5)
    assert found != read(two_sets, shuffle=5, epoch=1)
    assert len(set(found)) == len(found)
    few = [caption == "few" for caption, _ in found]
    for number in range(1, len(found) + 1):
        assert abs(sum(few[:number]) - number / 4) < 1
    assert len(found) - sum(few) == 24 or sum(few) == 8  # nothing is left of one of them


def test_the_readers_of_a_mix_share_its_clips_each_in_its_shares(two_sets: list[dict]) -> None:
    found = read(two_sets, workers=2, shuffle=5)
    assert len(set(found)) == len(found)
    for reader in (found[0::2], found[1::2]):  # the loader asks its workers in turn
        few = sum(caption == "few" for caption, _ in reader[:8])
        assert few == 2
    assert len(found) >= 24


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"weight": 0}, "shards.1: weight: 0 is out of range"),
        ({"wieght": 2}, "shards.1: wieght is not known; a set has shards and weight"),
        ({"shards": "nowhere/"}, "nowhere"),
        ("clips/", "shards.1 = 'clips/' is a name in a list of mappings"),
    ],
)
def test_a_mix_that_cannot_be_read_is_one_line(two_sets: list[dict], changed, message: str) -> None:
    second = changed if isinstance(changed, str) else {**two_sets[1], **changed}
    with pytest.raises(ConfigError, match=message):
        zoetrope.ClipDataset([two_sets[0], second], **SHAPE)


def test_epochs_differ_in_order_captions_and_fresh_paths(tmp_path: Path) -> None:
    folder = shards_of.write_shards(tmp_path, 4, 2, captions=("one", "two"))
    made = dataset(folder, camera="fresh", motions=EIGHT, motion_phrases=1.0, shuffle=4)
    first = {sample["key"]: sample for sample in made}
    again = {sample["key"]: sample for sample in made}
    made.set_epoch(1)
    second = {sample["key"]: sample for sample in made}
    assert list(first) == list(again)
    assert list(first) != list(second)
    for key, sample in first.items():
        assert torch.equal(sample["frames"], again[key]["frames"])
        assert not torch.equal(sample["quads"], second[key]["quads"])
        assert sample["caption"].partition(",")[0] != second[key]["caption"].partition(",")[0]
        assert " camera " in sample["caption"]
        assert sample["motion"] in EIGHT


def test_all_captions_come_with_the_phrase_of_the_path(tmp_path: Path) -> None:
    said = {"captions": ("a dog", "two cats"), "phrase": "as the camera zooms in"}
    shards_of.write_shard(tmp_path / "0.tar", [shards_of.sample(1, **said)])
    (stored,) = dataset(tmp_path, captions="all")
    assert stored["captions"] == ["a dog, as the camera zooms in", "two cats, as the camera zooms in"]
    (fresh,) = dataset(tmp_path, captions="all", camera="fresh", motions=["pan_left"], motion_phrases=1.0)
    assert len(fresh["captions"]) == 2
    assert all("left" in caption for caption in fresh["captions"])


def test_equal_pictures_have_equal_video_ids(tmp_path: Path) -> None:
    samples = [shards_of.sample(i, image_id=f"i{i // 2}") for i in range(4)]
    shards_of.write_shard(tmp_path / "0.tar", samples)
    one, same, other, _ = (sample["video_id"] for sample in dataset(tmp_path))
    assert one == same != other


def test_stills_rendered_afterwards_have_the_same_frames(tmp_path: Path) -> None:
    folder = shards_of.write_shards(tmp_path, 1, 3)
    rendered = list(dataset(folder))
    later = list(dataset(folder, render=False))
    assert "frames" not in later[0]
    frames = zoetrope.render_stills(later, "cpu")
    assert torch.equal(frames, torch.stack([sample["frames"] for sample in rendered]))


def test_too_few_shards_and_settings_without_effect_are_one_line_errors(tmp_path: Path) -> None:
    folder = shards_of.write_shards(tmp_path, 1, 2)
    batches = iter(DataLoader(dataset(folder), num_workers=2))
    with pytest.raises(ConfigError, match=r"1 shard for 2 readers .*num_workers lower"):
        next(batches)
    with pytest.raises(ConfigError, match="motions have no effect with camera=stored"):
        dataset(folder, motions=["pan_left"])
    with pytest.raises(ConfigError, match=r"motion_phrases = 1.0 has no effect with camera=stored"):
        dataset(folder, motion_phrases=1.0)
    with pytest.raises(ConfigError, match="matches"):
        dataset(tmp_path / "none")


@pytest.mark.parametrize("settings", [{"size": 0}, {"size": (0, 64)}, {"frames": 0}, {"frames": 2.5}])
def test_a_size_or_a_number_of_frames_that_cannot_be_is_refused_at_once(
    settings: dict, tmp_path: Path
) -> None:
    name = next(iter(settings))
    with pytest.raises(ValueError, match=f"^{name} "):
        zoetrope.ClipDataset(str(shards_of.write_shards(tmp_path, 1, 2)), **settings)


def test_a_broken_sample_is_named_or_skipped(tmp_path: Path) -> None:
    samples = [shards_of.sample(i) for i in range(3)]
    samples[1][1]["jpg"] = b"no picture"
    shards_of.write_shard(tmp_path / "0.tar", samples)
    with pytest.raises(ValueError, match=r"0\.tar: s000001: "):
        list(dataset(tmp_path))
    assert [s["key"] for s in dataset(tmp_path, broken_shards="skip")] == ["s000000", "s000002"]


def test_it_loads_neither_beam_nor_the_training_loop() -> None:
    code = (
        "import sys, zoetrope; zoetrope.ClipDataset; unwanted = ('apache_beam', 'pipelines', 'trainer.fit'); "
        "print([name for name in sys.modules if name.startswith(unwanted)])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_loop_in_the_docs_runs(tmp_path: Path, monkeypatch, capsys) -> None:
    shards_of.write_shards(tmp_path / "clips", 2, 8)
    page = (ROOT / "docs" / "own_loop.md").read_text()
    (code,) = [block.partition("```")[0] for block in page.split("```python\n")[1:]]
    tiny = (
        'open_clip.model.CLIP(32, {"layers": 1, "width": 32, "head_width": 16, "patch_size": 16, "image_size": 224}, '
        '{"layers": 1, "width": 32, "heads": 2})'
    )
    assert 'open_clip.create_model("ViT-B-32-quickgelu", pretrained="openai")' in code
    code = code.replace('open_clip.create_model("ViT-B-32-quickgelu", pretrained="openai")', tiny)
    code = code.replace("batch_size=64, num_workers=8", "batch_size=4, num_workers=0")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/own_loop.md", "exec"), {"__name__": "__main__"})
    losses = [float(line.split()[-1]) for line in capsys.readouterr().out.splitlines()]
    assert len(losses) == 10
    assert losses[-1] < losses[0]


def test_fresh_paths_keep_the_subject_in_view(tmp_path: Path) -> None:
    folder = shards_of.write_shards(tmp_path, 1, 8)
    held = {}
    for focus in ("any", "subject"):
        samples = dataset(folder, camera="fresh", motions={"focus": focus, "mix": ["zoom_in"]}, render=False)
        held[focus] = []
        for sample in samples:
            picture = sample["picture"].numpy()
            subject = find_subject([], picture.shape[:2], partial(np.asarray, picture))
            held[focus].append(subject.held(sample["quads"].numpy()).min())
    assert np.mean(held["subject"]) > np.mean(held["any"]) + 0.1
