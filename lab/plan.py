"""The plan of the experiment: which commands run, with which configs, in which order."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.arms import ALL_ARMS, MIX, Arm
from lab.config import LabConfig, Stage
from lab.corpus.world import FRAMES
from lab.steps import Step

ZOETROPE = (sys.executable, "-m", "zoetrope")
TESTS = ("content", "still", "motion", "order")
ZERO_SHOT = "zero-shot"
# Rough costs, for the remaining time.
VIDEO_SECONDS, PICTURE_SECONDS, STEP_SECONDS, START_SECONDS, QUERY_SECONDS = 0.01, 0.002, 0.4, 4.0, 25.0


@dataclass(frozen=True)
class Measured:
    """One checkpoint that is measured on every test."""

    seed: int
    arm: str
    stage: str  # ZERO_SHOT, or the name of the set that it was tuned on

    @property
    def file(self) -> str:
        """Its result, relative to the output."""
        return f"queries/seed{self.seed}/{self.arm}/{self.stage}.json"


class Plan:
    """All steps of a config. Making it writes the configs of the trainings."""

    def __init__(self, config: LabConfig) -> None:
        self.config = config
        self.folder = Path(config.output)

    @property
    def stages(self) -> list[str]:
        """When a model is measured."""
        return [ZERO_SHOT, *(f"tune{count}" for count in self.config.corpus.tuning)]

    def measured(self) -> list[Measured]:
        """Everything that the tables compare."""
        return [
            Measured(seed, arm, stage)
            for seed in self.config.seeds
            for arm in self.config.arms
            for stage in self.stages
        ]

    def seconds(self) -> float:
        """Return the time that the finished steps took, added up."""
        marks = (self.folder / "done").rglob("*.json")
        return float(sum(json.loads(mark.read_text())["seconds"] for mark in marks))

    def data_steps(self) -> Iterator[Step]:
        """Turn the corpus into shards, by the product's own jobs."""
        corpus = self.config.corpus
        yield self._animate("stills", list(MIX), corpus.stills)
        yield self._animate("still", [{"name": "static"}], corpus.tests.content)
        tests = corpus.tests
        sizes = {
            "content": tests.content,
            "motion": 8 * tests.motion,
            "order": 8 * tests.order,
            **{f"tune{count}": count for count in corpus.tuning},
        }
        if self.config.needs_videos:
            sizes["real"] = corpus.real_videos
        for name, videos in sizes.items():
            yield self._import(name, videos)

    def training_steps(self) -> Iterator[Step]:
        """Train and measure, seed by seed."""
        for seed in self.config.seeds:
            yield from self._towers(seed)
            for arm in self.config.arms:
                yield from self._arm(seed, arm)

    def _animate(self, name: str, motions: list[Any], pictures: int) -> Step:
        values = {
            "source": {"kind": "tars", "uri": str(self.folder / "corpus" / name / "*.tar")},
            "output": str(self.folder / "data" / name),
            "store": "still",
            **({"encode": {"still_for": "mix"}} if name == "stills" else {}),
            "motions": [dict(motion) for motion in motions],
            "clip": {"frames": self._frames, "size": self.config.corpus.frame_side},
        }
        command = (*ZOETROPE, "animate", "--config", self._written(f"data/{name}", values))
        return Step(f"data/{name}", command, cost=START_SECONDS + PICTURE_SECONDS * pictures, alone=True)

    def _import(self, name: str, videos: int) -> Step:
        corpus = self.folder / "corpus" / name
        values = {
            "source": {
                "kind": "csv",
                "videos": str(corpus / "videos"),
                "annotations": str(corpus / "captions.csv"),
            },
            "output": str(self.folder / "data" / name),
            "frames": {
                "size": self.config.corpus.frame_side,
                "policy": "uniform",
                "max_frames": FRAMES,
            },
        }
        command = (*ZOETROPE, "import-videos", "--config", self._written(f"data/{name}", values))
        return Step(f"data/{name}", command, cost=START_SECONDS + VIDEO_SECONDS * videos, alone=True)

    def _towers(self, seed: int) -> Iterator[Step]:
        """Train towers on pictures, and start one model from them: the same for every arm."""
        name = f"seed{seed}/towers"
        trained = self.config.model.get("pretrained")
        after: tuple[str, ...] = ()
        if trained is None:
            model = {**self.config.model, "max_frames": 1, "sim_type": "meanP", "center_type": ""}
            model.pop("interaction", None)
            data = self._on_stills(Arm("", "stills", ({"name": "static"},)))
            yield self._train(name, self.config.towers, data, seed, model=model, init=None)
            trained, after = str(self.folder / "runs" / name / "last"), (name,)
        start = f"seed{seed}/start"
        model = {k: v for k, v in self.config.model.items() if k != "pretrained"}
        values = {"model": model, "towers": str(trained), "seed": seed}
        values["output"] = str(self.folder / "runs" / start)
        command = (sys.executable, "-m", "lab.start", self._written(start, values))
        yield Step(start, command, after, cost=START_SECONDS)

    def _arm(self, seed: int, name: str) -> Iterator[Step]:
        arm = ALL_ARMS[name]
        start = f"seed{seed}/start"
        trained = start
        if arm.data is not None:
            trained = f"seed{seed}/{name}/pretrain"
            data = self._pretraining_data(arm)
            yield self._train(trained, self.config.pretrain, data, seed, init=start, after=(start,))
        checkpoints = {ZERO_SHOT: trained}
        for stage in self.stages[1:]:
            tuned = f"seed{seed}/{name}/{stage}"
            data = self._on_videos(stage)
            yield self._train(tuned, self.config.tune, data, seed, init=trained, after=(trained,))
            checkpoints[stage] = tuned
        yield self._measure(seed, name, checkpoints)

    def _on_stills(self, arm: Arm) -> dict[str, Any]:
        data: dict[str, Any] = {
            "shards": str(self.folder / "data" / "stills"),
            "motions": [dict(motion) for motion in arm.motions],
        }
        if arm.phrases:
            data["motion_phrases"] = self.config.motion_phrases * arm.phrase_share
        if arm.negatives:
            data["paths_per_picture"] = arm.paths or self.config.paths_per_picture
        return data

    def _pretraining_data(self, arm: Arm) -> dict[str, Any]:
        """Mix what the arm pretrains on with whole pictures, whose captions say no motion."""
        videos = arm.videos if arm.data == "stills" else 1.0
        pictures = {"shards": str(self.folder / "data" / "stills"), "camera": "picture"}
        # The takes of a scene are negatives of each other.
        takes = {**self._on_videos("real"), "equal_captions": True}
        share = self.config.whole_pictures
        weighted = (
            (self._on_stills(arm), (1.0 - share) * (1.0 - videos)),
            (takes, (1.0 - share) * videos),
            (pictures, share),
        )
        data: dict[str, Any] = {"mix": [{**of, "weight": weight} for of, weight in weighted if weight]}
        if videos:
            data["shuffle_samples"] = 0  # the takes of a scene follow each other in the shards
        return data

    def _on_videos(self, name: str) -> dict[str, Any]:
        return {"shards": str(self.folder / "data" / name)}

    def _train(
        self,
        name: str,
        stage: Stage,
        data: Mapping[str, Any],
        seed: int,
        *,
        init: str | None,
        model: Mapping[str, Any] | None = None,
        after: tuple[str, ...] = (),
    ) -> Step:
        output = self.folder / "runs" / name
        values: dict[str, Any] = {
            "output": str(output),
            "data": {**data, "workers": self.config.loader_workers},
            "model": {k: v for k, v in (model or self.config.model).items() if k != "pretrained"},
            "optim": {"lr_clip": stage.lr_clip, "lr_new": stage.lr_new, "weight_decay": 0.05},
            "global_batch_size": stage.batch,
            "max_steps": stage.steps,
            "save_every": stage.steps,
            "keep": 1,
            "log": {"every": max(1, stage.steps // 20), "tensorboard": False},
            "device": self.config.device,
            "precision": "bf16" if self.config.device == "cuda" else "fp32",
            "seed": seed,
            "resume": True,
        }
        if init is not None:
            values["init"] = str(self._checkpoint(init))
        command = (*ZOETROPE, "train", "--config", self._written(name, values))
        frames = values["model"].get("max_frames", 12) * stage.batch / 384
        return Step(name, command, after, cost=START_SECONDS + STEP_SECONDS * stage.steps * frames)

    def _measure(self, seed: int, arm: str, checkpoints: Mapping[str, str]) -> Step:
        """Ask the queries of an arm's checkpoints (stage -> name of the run)."""
        name = f"seed{seed}/{arm}/queries"
        values = {
            "data": str(self.folder / "data"),
            "checkpoints": {
                str(self._checkpoint(run)): str(self.folder / Measured(seed, arm, stage).file)
                for stage, run in checkpoints.items()
            },
            "tests": list(TESTS),
            "top_k": self.config.top_k,
            "device": self.config.device,
        }
        command = (sys.executable, "-m", "lab.queries", self._written(name, values))
        cost = START_SECONDS + QUERY_SECONDS * len(checkpoints)
        return Step(name, command, tuple(checkpoints.values()), cost=cost)

    def _checkpoint(self, run: str) -> Path:
        """Return the folder of a run's model. The start is a model itself."""
        folder = self.folder / "runs" / run
        if run.endswith("/start"):
            return folder
        return folder / "last"

    def _written(self, name: str, values: Mapping[str, Any]) -> str:
        """Write a config, as a file that the same command takes by hand. JSON is YAML."""
        path = self.folder / "configs" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values, indent=1) + "\n")
        return str(path)

    @property
    def _frames(self) -> int:
        return int(self.config.model.get("max_frames", 12))
