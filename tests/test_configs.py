"""Recipes are what they say: they load, and the commands in them and in the docs name files and fields that
exist.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from pipelines.config import AnimateConfig, ImportConfig
from schemas.config import Config, describe
from schemas.errors import ConfigError
from storage.configs import load_config
from trainer.fit.config import TrainConfig
from trainer.retrieval.config import EvaluateConfig, EvaluationData
from zoetrope.cli import COMMANDS

ROOT = Path(__file__).parents[1]
CONFIGS = {"animate": AnimateConfig, "import": ImportConfig, "train": TrainConfig, "eval": EvaluateConfig}
BY_COMMAND = {
    "animate": AnimateConfig,
    "import-videos": ImportConfig,
    "train": TrainConfig,
    "evaluate": EvaluateConfig,
}
REQUIRED = {
    "animate": ["source.uri=x", "output=y"],
    "import": ["source.videos=x", "source.annotations=a", "output=y"],
    "train": ["data.shards=clips/"],
    "eval": ["checkpoint=runs/x/best", "data.shards=clips/"],
}
REQUIRED_OF = {"coco": ["source.annotations=a", "source.images=b", "output=y"]}
RECIPES = sorted(path for kind in CONFIGS for path in (ROOT / "configs" / kind).glob("*.yaml"))
RUNNERS = sorted((ROOT / "configs/runners").glob("*.yaml"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *RECIPES, *RUNNERS]
FLAGS = {"--config": True, "--runner-config": True, "--dry-run": False, "-o": True}  # whether a value follows
COMMAND = re.compile(
    r"(?:(?:--nproc_per_node=(\d+) +)?-m zoetrope (train)|(?<!from )zoetrope ([a-z-]+))"
    r"((?: +(?:'[^']*'|\"[^\"]*\"|[^\s'\"`|&#()])+)*)"
)
WRITES = re.compile(
    r"configs/(?:import|animate)/(\w+)\.yaml"
    r"|(?:source\.split=([\w.-]+) (?:(?!output)[\w.]+=\S+ )*)?\boutput=((?!runs/)\w+/[\w/]*)"
)
INPUTS = {  # of the published lists and tables
    **{
        ("msrvtt", split): count
        for split, count in {"train.9k": 9000, "train.7k": 7010, "1k-A": 1000}.items()
    },
    **{
        ("msrvtt", f"{split}.full"): count
        for split, count in {"train": 6513, "val": 497, "test": 2990}.items()
    },
    **{("msvd", split): count for split, count in {"train": 1200, "val": 100, "test": 670}.items()},
    **{
        ("vatex", split): count
        for split, count in {"train": 25_991, "val": 1500, "test": 1500, "test1k5_sec": 1500}.items()
    },
    **{("didemo", split): count for split, count in {"train": 8395, "val": 1065, "test": 1004}.items()},
    **{("activitynet", split): count for split, count in {"train": 10_009, "val_1": 4917}.items()},
    **{("lsmdc", split): count for split, count in {"train": 101_046, "val": 7408, "test": 1000}.items()},
    **{("ssv2", split): count for split, count in {"train": 168_913, "retrieval": 2088}.items()},
    **{("coco", None): 118_287, ("cc3m", None): 3_318_333, ("cc12m", None): 12_423_374},
}


CAPTIONS = {  # which captions are queries, where not all are
    **{("msrvtt", "1k-A"): "first", ("didemo", "test"): "first", ("activitynet", "val_1"): "first"},
    **{("lsmdc", "test"): "first", ("ssv2", "retrieval"): "shared"},
}


class Command(NamedTuple):
    """A command line of a page."""

    name: str  # the subcommand
    arguments: list[str]
    processes: int = 1  # ranks that it starts


def commands(text: str) -> list[Command]:
    """Each command line in a page; lines that end in a backslash go on in the next."""
    return [
        Command(train or name, shlex.split(rest), int(processes or 1))
        for processes, train, name, rest in COMMAND.findall(joined(text))
    ]


def joined(text: str) -> str:
    return re.sub(r"\\\s*\n[# ]*", "", text)


def shown(path: Path) -> str:
    """What of a page is commands: the code blocks of Markdown, the comments of a recipe."""
    text = path.read_text()
    if path.suffix == ".md":
        return "\n".join(re.findall(r"^```[^\n]*\n(.*?)^```", text, re.S | re.M))
    return "\n".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_recipe_loads_as_its_command_would(path: Path) -> None:
    kind = path.parent.name
    config = load_config(CONFIGS[kind], path, REQUIRED_OF.get(path.stem, REQUIRED[kind]))
    assert CONFIGS[kind].make(config.to_dict()) == config


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_name_recipes_and_fields_that_exist(path: Path) -> None:
    text = path.read_text()
    for named in re.findall(r"\bconfigs/[a-z_/0-9]+\.yaml", text):
        assert (ROOT / named).is_file(), named
    for name, arguments, _ in commands(shown(path)):
        assert name in COMMANDS, name
        if name in BY_COMMAND and not any("..." in argument for argument in arguments):
            loads(BY_COMMAND[name], arguments)


@pytest.mark.parametrize("path", RECIPES + RUNNERS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_recipe_opens_with_its_own_command_and_speaks_of_fields_that_exist(path: Path) -> None:
    text = shown(path)
    found = commands(text)
    assert any(str(path.relative_to(ROOT)) in command.arguments for command in found)
    classes = {BY_COMMAND[command.name] for command in found if command.name in BY_COMMAND}
    assert mentioned(text) <= {name for cls in classes for name in fields(cls)}


def mentioned(text: str) -> set[str]:
    """The fields that a text gives a value, in its commands and elsewhere; options of Beam and torchrun are
    none.
    """
    return set(re.findall(r"(?<![\w.-])([a-z]\w*(?:\.\w+)*)=", joined(text)))


def fields(cls: type[Config]) -> set[str]:
    return {line.split()[0] for line in describe(cls) if re.match(r"  \S", line)}


def loads(cls: type[Config], arguments: list[str]) -> Config | None:
    """The command's config; None if its file is the reader's own. Raises ConfigError unless it is whole and
    valid.
    """
    rest = iter(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    flags, overrides = {}, []
    for argument in rest:
        if argument in FLAGS:
            flags[argument] = next(rest) if FLAGS[argument] else ""
        elif cls is AnimateConfig and "=" not in argument and not argument.startswith("-"):
            overrides += ["source.kind=folder", f"source.uri={argument}"]  # an input, whose kind is guessed
        else:
            overrides.append(argument)  # an error if it is no field=value
    file = flags.get("--config")
    overrides += [f"output={flags['-o']}"] if "-o" in flags else []
    if file is not None and not file.startswith("configs/"):
        return None
    file = file and str(ROOT / file)
    return load_config(cls, file, overrides)


def written_to(*texts: str) -> dict[str, set[tuple[str, str | None]]]:
    """Folder of shards -> the (recipe, split) that the commands in these pages write to it."""
    found: dict[str, set[tuple[str, str | None]]] = {}
    for text in texts:
        recipe = ""
        for named, split, folder in WRITES.findall(joined(text)):
            recipe = named or recipe
            if folder:
                found.setdefault(folder, set()).add((recipe, split or None))
    return found


def shards_of(recipe: str, split: str | None) -> int:
    """Shards of a published set, made by its recipe."""
    kind = "import" if split else "animate"
    config = load_config(
        CONFIGS[kind], ROOT / f"configs/{kind}/{recipe}.yaml", REQUIRED_OF.get(recipe, REQUIRED[kind])
    )
    return -(-INPUTS[recipe, split] // config.shard.max_samples)


def all_shown(name: str) -> list[tuple[int, Config]]:
    """(ranks, config) of each command of this name that the pages show with a recipe."""
    found = [command for path in PAGES for command in commands(shown(path)) if command.name == name]
    found = [
        command for command in found if "--config" in command.arguments and "..." not in command.arguments
    ]
    return [(command.processes, loads(BY_COMMAND[name], command.arguments)) for command in found]


def is_own(config: Config) -> bool:
    """Does a training command read the reader's own shards, and not those of a published set?"""
    return config.data.mix is not None or config.data.shards.startswith("clips/")


def test_every_reader_that_a_training_command_starts_finds_a_shard() -> None:
    written = written_to(*map(shown, PAGES))
    most: dict[str, int] = {}  # recipe that makes shards -> readers
    for ranks, config in all_shown("train"):
        if not is_own(config):
            ((recipe, _),) = written[config.data.shards]
            most[recipe] = max(ranks * config.data.workers, most.get(recipe, 0))
    videos = {"msrvtt", "msvd", "vatex", "didemo", "activitynet", "lsmdc", "ssv2"}
    assert most.keys() == {*videos, "coco", "cc3m", "cc12m"}
    for recipe, split in INPUTS:
        wanted = (
            most[recipe] if split is None or split.startswith("train") else EvaluationData(shards="x").workers
        )
        assert shards_of(recipe, split) >= wanted, (recipe, split)


def test_a_model_is_measured_by_the_protocol_that_it_was_trained_for() -> None:
    """One folder of shards has one split, one run one training set, and no checkpoint meets another
    protocol's test set.
    """
    written = written_to(*map(shown, PAGES))
    splits = {folder: found.pop() for folder, found in written.items() if len(found) == 1}
    assert written.keys() - splits.keys() == {"clips/"}
    trained: dict[str, set[tuple[str, str | None]]] = {}  # run -> what it learns from
    pairs = set()
    for _, config in all_shown("train"):
        if not is_own(config):
            trained.setdefault(config.output, set()).add(splits[config.data.shards])
            if config.data.eval_shards:
                pairs.add((*splits[config.data.shards], *splits[config.data.eval_shards]))
    for _, config in all_shown("evaluate"):
        (learnt,) = trained[config.checkpoint.rpartition("/")[0]]
        pairs.add((*learnt, *splits[config.data.shards]))
        assert config.captions == CAPTIONS.get(splits[config.data.shards], "all")
    assert pairs == {
        *{("msrvtt", "train.9k", "msrvtt", "1k-A"), ("msrvtt", "train.full", "msrvtt", "val.full")},
        *{("msrvtt", "train.full", "msrvtt", "test.full")},
        *{
            (kind, "train", kind, split)
            for kind in ("msvd", "vatex", "didemo", "lsmdc")
            for split in ("val", "test")
        },
        *{("activitynet", "train", "activitynet", "val_1"), ("ssv2", "train", "ssv2", "retrieval")},
    }


def test_the_check_itself_sees_what_is_wrong() -> None:
    text = (
        "zoetrope train --config configs/train/debug.yaml \\\n#   data.shards='a b/*.tar' model.centreK=7\n"
    )
    arguments = ["--config", "configs/train/debug.yaml", "data.shards=a b/*.tar", "model.centreK=7"]
    assert commands(text) == [("train", arguments, 1)]
    with pytest.raises(ConfigError, match=r"model\.centerK"):
        loads(TrainConfig, arguments)
    with pytest.raises(ConfigError, match=r"data"):
        loads(TrainConfig, ["--config", "configs/train/debug.yaml"])
    with pytest.raises(ConfigError, match="--dryrun"):
        loads(TrainConfig, ["--config", "configs/train/debug.yaml", "data.shards=a", "--dryrun"])
    said = mentioned(
        "--nproc_per_node=2 a.yaml model.centreK=7 (set rerank=no, `model.center_type=''`) -- --runner=x"
    )
    assert said == {"model.centreK", "rerank", "model.center_type"}
    assert said - fields(TrainConfig) == {"model.centreK", "rerank"}
    assert commands("torchrun --nproc_per_node=2 -m zoetrope train --config a.yaml") == [
        ("train", ["--config", "a.yaml"], 2)
    ]
    assert written_to("(configs/import/msvd.yaml, with source.split=val output=msvd/val/)") == {
        "msvd/val/": {("msvd", "val")}
    }


@pytest.mark.parametrize(
    ("name", "centres", "samples"),
    [("msrvtt", 5, 900_000), ("msrvtt_full", 5, 651_300), ("msvd", 5, 240_000), ("vatex", 7, 1_300_000)],
)
def test_fine_tuning_has_the_published_settings(name: str, centres: int, samples: int) -> None:
    """CLIP4Clip's: batch 128, 1e-4 and 1e-7, 10 % warm-up, cosine to 0, betas, weight decay; CLIP2Video's
    model.
    """
    config = load_config(TrainConfig, ROOT / f"configs/train/finetune_{name}.yaml", ["data.shards=x"])
    optim, model = config.optim, config.model
    assert (config.global_batch_size, config.max_samples) == (128, samples)
    assert (optim.lr_new, optim.lr_clip, optim.warmup, optim.end_lr) == (1e-4, 1e-7, 0.1, 0.0)
    assert (optim.beta1, optim.beta2, optim.weight_decay, optim.clip_norm, optim.max_logit_scale) == (
        0.9,
        0.98,
        0.2,
        1.0,
        100,
    )
    assert (model.max_frames, model.max_words, model.temporal_layers, model.center_weight) == (12, 32, 4, 0.5)
    assert (model.sim_type, model.temporal_type, model.temporal_proj) == ("seqTransf", "TDB", "sigmoid_selfA")
    assert (model.center_type, model.center_proj, model.centerK) == ("TAB", "TAB_TDB", centres)
    assert (model.clip, model.pretrained) == ("ViT-B-32-quickgelu", "openai")
    rate = yaml.safe_load((ROOT / f"configs/import/{name.partition('_')[0]}.yaml").read_text())["frames"][
        "feature_framerate"
    ]
    assert rate == (2 if name.startswith("msrvtt") else 1)
