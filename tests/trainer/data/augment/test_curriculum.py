"""Frames by step: in the batches of a loader, over a resume, and in a run."""

from __future__ import annotations

import json
from functools import partial
from itertools import islice
from pathlib import Path

import make_shards as shards_of
import pytest
import torch
from tiny_run import tiny_config

from schemas.errors import ConfigError
from trainer.data.augment.curriculum import Curriculum
from trainer.data.config import DataConfig
from trainer.data.loader import LoaderState, TrainingLoader
from trainer.data.shards import ShardSet
from trainer.device.ranks import Ranks
from trainer.fit.recorder import Recorder
from trainer.fit.train import train
from trainer.logs.run_logs import RunLogs
from trainer.model.clip2video import CLIP2Video
from trainer.model.towers import tokenize

STAGES = [[0, 1], [2, 2], [3, 4]]


def test_stages_follow_steps_and_a_step_has_as_many_batches_as_are_accumulated() -> None:
    stages = ((0, 1), (2, 2), (3, 4))
    assert [Curriculum(stages).frames(batch) for batch in range(6)] == [1, 1, 2, 4, 4, 4]
    assert [Curriculum(stages, 2).frames(batch) for batch in range(8)] == [1, 1, 1, 1, 2, 2, 4, 4]


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ([[1, 4]], "give [step, frames] from step 0 on"),
        ([[0, 4], [0, 8]], "in ascending order"),
        ([], "give [step, frames]"),
        ([[0, 0]], "0 frames; a stage needs at least 1"),
    ],
)
def test_mistakes_are_one_line(stages, words) -> None:
    with pytest.raises(ConfigError) as error:
        DataConfig.make({"shards": "x", "frames_curriculum": stages})
    assert words in str(error.value)


def test_more_frames_than_the_model_takes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"frames_curriculum has 5 frames, and model.max_frames = 4"):
        tiny_config(tmp_path, tmp_path, data={"frames_curriculum": [[0, 5]]})


def loader(folder: Path, workers: int, state=None) -> TrainingLoader:
    config = DataConfig(shards=str(folder), workers=workers, frames_curriculum=STAGES, shuffle_samples=4)
    order = {"frames": 4, "size": (32, 32), "batch_size": 3, "seed": 3, "state": state, "accumulate": 2}
    return TrainingLoader(ShardSet.find(str(folder)), config, partial(tokenize, max_words=8), **order)


@pytest.mark.parametrize(("workers", "store"), [(0, "still"), (2, "frames")])
def test_batches_have_the_frames_of_their_step_also_after_a_resume(tmp_path, workers, store) -> None:
    folder = shards_of.write_shards(tmp_path, 3, 5, store)
    made = loader(folder, workers)
    stream = iter(made)
    first = [next(stream) for _ in range(5)]
    state = LoaderState.from_dict(json.loads(json.dumps(made.state().to_dict())))
    rest = list(islice(stream, 4))
    again = list(islice(iter(loader(folder, workers, state)), 4))
    assert [batch.frame_mask.shape[1] for batch in first + rest] == [1, 1, 1, 1, 2, 2, 4, 4, 4]
    assert [batch.frame_mask.shape[1] for batch in again] == [2, 4, 4, 4]
    assert [batch.keys for batch in rest] == [batch.keys for batch in again]
    assert all(batch.frame_mask.all() for batch in first)
    of_clips = [batch.quads if store == "still" else batch.frames for batch in first]
    assert [clips.shape[1] for clips in of_clips] == [1, 1, 1, 1, 2]


def test_a_run_with_a_curriculum_trains_resumes_and_evaluates_on_all_frames(tmp_path: Path) -> None:
    folder = shards_of.write_shards(tmp_path / "shards", 1, 8)
    data = {"frames_curriculum": STAGES, "eval_shards": str(folder)}
    whole = tiny_config(folder, tmp_path / "whole", data=data, max_steps=4, save_every=2)
    train(whole)
    losses = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    half = {"output": str(tmp_path / "whole"), "resume": True}
    for later in (3, 4):
        for link in (tmp_path / "whole").glob(f"step_{later:08d}"):
            link.rename(tmp_path / f"gone{later}")
    again = train(whole.model_copy(update=half))
    assert again.loss == pytest.approx([line["loss"] for line in losses if "loss" in line][-1], abs=1e-6)
    assert again.metrics["t2v.R1"] >= 0


def test_the_mfu_is_unknown_while_clips_are_short(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, tmp_path, data={"frames_curriculum": STAGES})
    recorder = Recorder(config, Ranks(0, 1, torch.device("cpu")), CLIP2Video(config.model), RunLogs(), None)
    recorder._peak = 1e12
    assert recorder._mfu(1.0, step=3) is None
    assert recorder._mfu(1.0, step=4) > 0
