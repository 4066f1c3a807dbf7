"""The smallest version of the motion benchmark: it runs, and its queries differ in the motion alone."""

from __future__ import annotations

from pathlib import Path

from benchmarks.motion import ARMS, MOTIONS, measure, train_config, write_stills
from storage.shards.read import iter_shard


def test_test_clips_show_one_picture_with_eight_motions(tmp_path: Path) -> None:
    shard = tmp_path / "test" / "0.tar"
    write_stills(shard, range(2), every_motion=True)
    metas = [sample.meta() for sample in iter_shard(str(shard))]
    assert len(metas) == 16
    for picture in (metas[:8], metas[8:]):
        assert {meta.motion for meta in picture} == {motion["name"] for motion in MOTIONS}
        assert len({meta.sha256 for meta in picture}) == len({meta.captions for meta in picture}) == 1
        assert len({meta.motion_phrase for meta in picture}) == 8


def test_arms_differ_in_phrases_and_paths_alone(tmp_path: Path) -> None:
    configs = {arm: train_config(tmp_path, tmp_path, arm, steps=2, batch=8, seed=0) for arm in ARMS}
    plain = {"motion_phrases": 0.0, "paths_per_picture": 1}
    alike = [config.data.model_copy(update=plain) for config in configs.values()]
    assert alike[0] == alike[1] == alike[2]
    assert configs["both"].data.paths_per_picture == 8
    assert configs["neither"].data.motion_phrases == 0


def test_the_smallest_version_measures_every_arm(tmp_path: Path) -> None:
    results = measure(tmp_path, ["both", "neither"], pictures=16, tests=2, steps=2, batch=16, seed=0)
    for arm in ("both", "neither"):
        assert 0 <= results[arm]["right_motion_percent"] <= 100
        assert results[arm]["loss"] > 0
