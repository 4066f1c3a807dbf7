"""Recipes are what they say: they load, and the commands in them and in the docs name files and fields that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from pipelines.animate import AnimateConfig
from pipelines.videos import ImportConfig
from schemas.config import Config, ConfigError, load_config
from trainer.config import TrainConfig
from trainer.evaluate import EvaluateConfig
from zoetrope.cli import COMMANDS

ROOT = Path(__file__).parents[1]
CONFIGS = {"animate": AnimateConfig, "import": ImportConfig, "train": TrainConfig, "eval": EvaluateConfig}
BY_COMMAND = {"animate": AnimateConfig, "import-videos": ImportConfig, "train": TrainConfig, "evaluate": EvaluateConfig}
REQUIRED = {
    "animate": ["source.uri=x", "output=y"],
    "import": ["source.videos=x", "source.annotations=a", "output=y"],
    "train": ["data.shards=clips/"],
    "eval": ["checkpoint=runs/x/best", "data.shards=clips/"],
}
RECIPES = sorted(path for kind in CONFIGS for path in (ROOT / "configs" / kind).glob("*.yaml"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *RECIPES]
COMMAND = re.compile(r"(zoetrope [a-z-]+|-m trainer\.train)((?: +(?:'[^']*'|\"[^\"]*\"|[^\s'\"`|&#()])+)*)")


def commands(text: str) -> list[tuple[str, list[str]]]:
    """(subcommand, arguments) of each command line in a page; lines that end in a backslash go on in the next."""
    joined = re.sub(r"\\\s*\n[# ]*", "", text)
    found = []
    for command, rest in COMMAND.findall(joined):
        name = "train" if command.startswith("-m") else command.split()[1]
        found.append((name, shlex.split(rest)))
    return found


def shown(path: Path) -> str:
    """What of a page is commands: the code blocks of Markdown, the comments of a recipe."""
    text = path.read_text()
    if path.suffix == ".md":
        return "\n".join(re.findall(r"^```[^\n]*\n(.*?)^```", text, re.S | re.M))
    return "\n".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_recipe_loads_as_its_command_would(path: Path) -> None:
    kind = path.parent.name
    overrides = REQUIRED[kind]
    if path.stem == "coco":
        overrides = ["source.annotations=a", "source.images=b", "output=y"]
    config = load_config(CONFIGS[kind], path, overrides)
    assert CONFIGS[kind].make(config.to_dict()) == config


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_name_recipes_and_fields_that_exist(path: Path) -> None:
    text = path.read_text()
    for named in re.findall(r"\bconfigs/[a-z_/0-9]+\.yaml", text):
        assert (ROOT / named).is_file(), named
    for name, arguments in commands(shown(path)):
        assert name in COMMANDS, name
        if name in BY_COMMAND and not any("..." in argument for argument in arguments):
            loads(BY_COMMAND[name], arguments)


def loads(cls: type[Config], arguments: list[str]) -> None:
    """Raise ConfigError unless the command's config is whole and valid, as far as it can be told without the data."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    file = own[own.index("--config") + 1] if "--config" in own else None
    if file is not None and not file.startswith("configs/"):
        return  # a file of the reader's own
    file = file and str(ROOT / file)
    load_config(cls, file, [argument for argument in own if "=" in argument and not argument.startswith("-")])


def test_the_check_itself_sees_what_is_wrong() -> None:
    text = "zoetrope train --config configs/train/debug.yaml \\\n#   data.shards='a b/*.tar' model.centreK=7\n"
    assert commands(text) == [("train", ["--config", "configs/train/debug.yaml", "data.shards=a b/*.tar", "model.centreK=7"])]
    with pytest.raises(ConfigError, match=r"model\.centerK"):
        loads(TrainConfig, commands(text)[0][1])
    with pytest.raises(ConfigError, match=r"data"):
        loads(TrainConfig, ["--config", "configs/train/debug.yaml"])
    assert [name for name, _ in commands("torchrun --nproc_per_node=2 -m trainer.train --config a.yaml")] == ["train"]


@pytest.mark.parametrize(
    ("name", "centres", "samples"), [("msrvtt", 5, 900_000), ("msvd", 5, 240_000), ("vatex", 7, 1_300_000)]
)
def test_fine_tuning_has_the_published_settings(name: str, centres: int, samples: int) -> None:
    """CLIP4Clip's: batch 128, 1e-4 and 1e-7, 10 % warm-up, cosine to 0, betas, weight decay; CLIP2Video's model."""
    config = load_config(TrainConfig, ROOT / f"configs/train/finetune_{name}.yaml", ["data.shards=x"])
    optim, model = config.optim, config.model
    assert (config.global_batch_size, config.max_samples) == (128, samples)
    assert (optim.lr_new, optim.lr_clip, optim.warmup, optim.end_lr) == (1e-4, 1e-7, 0.1, 0.0)
    assert (optim.beta1, optim.beta2, optim.weight_decay, optim.clip_norm, optim.max_logit_scale) == (0.9, 0.98, 0.2, 1.0, 100)
    assert (model.max_frames, model.max_words, model.temporal_layers, model.center_weight) == (12, 32, 4, 0.5)
    assert (model.sim_type, model.temporal_type, model.temporal_proj) == ("seqTransf", "TDB", "sigmoid_selfA")
    assert (model.center_type, model.center_proj, model.centerK) == ("TAB", "TAB_TDB", centres)
    assert (model.clip, model.pretrained) == ("ViT-B-32-quickgelu", "openai")
    rate = yaml.safe_load((ROOT / f"configs/import/{name}.yaml").read_text())["frames"]["feature_framerate"]
    assert rate == (2 if name == "msrvtt" else 1)
