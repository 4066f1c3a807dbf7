"""How each documented command is run by the tests: the first rule whose pattern is found decides.

`fill` replaces what a page leaves open ("..." and placeholders). `extra` are the words that a test appends to make
a run small. Every way that does not run a command as a whole has a reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Way(Enum):
    """How a command is run."""

    RUN = "in a folder that holds what it names; it exits with 0, and what it writes is there"
    PLAN = "the same with --dry-run: an engine or a cloud would do the work"
    READ = "its arguments and its config are read"
    SERVE = "until it has answered a request, then Ctrl-C"
    PUSH = "against a hub on loopback"
    HELP = "with --help: a sentence names the command alone"
    MAKE = "make -n: the targets and what they need exist"
    FILE = "the file that it runs is there and is free of syntax errors"
    SHELL = "bash -n: the files, extras and parameters that it names exist"


@dataclass(frozen=True)
class Rule:
    """One row of the table."""

    pattern: str
    way: Way
    extra: str = ""
    fill: tuple[tuple[str, str], ...] = ()
    why: str = ""


TRAIN = "device=cpu data.workers=0 max_steps=1 global_batch_size=16 model.pretrained=null"
JOB = "workers=1 fetch.allow_private=true"  # the server of the pictures is on loopback
OWN = ("--config ...", "--config configs/animate/folder.yaml source.uri=pictures/")
ANY = ("animate ...", "animate pictures/ -o clips/")
LATER = "it takes minutes or more; tests/benchmarks run its parts"
ENGINES = "it needs an engine; tests/engines run the job on it"

RULES = (
    # zoetrope: what is not run as a whole
    Rule(r"^zoetrope COMMAND", Way.RUN, fill=(("COMMAND", "train"),)),
    Rule(r"^zoetrope (motions|.* --help.*)$", Way.RUN),
    Rule(r"^zoetrope lab\b.*", Way.READ, why="a minute to an hour; tests/lab run the smallest experiment"),
    Rule(r"^zoetrope [a-z-]+$", Way.HELP, why="a sentence names the command"),
    Rule(r"^zoetrope studio", Way.SERVE),
    Rule(r"^zoetrope push .*--dry-run", Way.RUN),
    Rule(r"^zoetrope push", Way.PUSH),
    Rule(r"=user/pictures", Way.READ, why="the hub; tests/pipelines/sources/hub stream from one on loopback"),
    Rule(r"--runner-config configs/runners/dataflow", Way.PLAN, JOB, (OWN, ("source.uri=gs://...", "")), ENGINES),
    Rule(r"^zoetrope animate.* --runner", Way.PLAN, "", (OWN, ANY, ("source...", "source.annotations="
         "captions_train2017.json source.images=train2017/")), ENGINES),
    Rule(r"^zoetrope validate .* --runner-config flink", Way.RUN, fill=((" --runner-config flink", ""),), why=ENGINES),
    # zoetrope: run with what makes it small
    Rule(r"^zoetrope animate --config configs/animate/folder.yaml \.\.\.", Way.RUN, JOB,
         ((" ... ", " source.uri=pictures/ output=clips/ "),)),
    Rule(r"^zoetrope (animate|filters)", Way.RUN, JOB, ((OWN[0], OWN[1] + " output=clips/"), ANY)),
    Rule(r"^zoetrope import-videos", Way.RUN, "workers=1",
         ((" ...", " source.videos=videos/ source.annotations=captions.csv output=clips/"),)),
    Rule(r"\bzoetrope train .*SigLIP", Way.RUN, TRAIN.replace(" model.pretrained=null", "")),
    Rule(r"\bzoetrope train", Way.RUN, TRAIN, (("train ...", "train --config configs/train/debug.yaml data.shards=clips/"),),
         "ViT-B/32 is a tower of 64 numbers here; GPUs are one process: tests/trainer/device start several"),
    Rule(r"\bzoetrope evaluate \.\.\.", Way.RUN, "device=cpu", (("...", "checkpoint=runs/x/best data.shards=msvd/test/"),)),
    Rule(r"\bzoetrope evaluate trained_weights", Way.RUN, "checkpoint=runs/averaged/last data.shards=msvd/test/"),
    Rule(r"\bzoetrope evaluate --config \S+$", Way.RUN, "checkpoint=runs/finetune_ssv2/best data.shards=ssv2/test/"),
    Rule(r"^zoetrope export --trained-weights$", Way.RUN, "runs/averaged/last --to open_clip -o exported/"),
    Rule(r"^zoetrope preview --focus subject$", Way.RUN, "photo.jpg -o subject.gif"),
    Rule(r"^zoetrope convert official FILE$", Way.RUN, "-o checkpoints/official"),
    Rule(r"^zoetrope preview .*--all", Way.RUN, "--frames 2 --size 48"),
    Rule(r"^zoetrope \w+", Way.RUN),
    # other programs
    Rule(r"^make ", Way.MAKE, why="the targets call the commands of this table, or start engines"),
    Rule(r"^(python |pytest |benchmarks/)", Way.FILE, why=LATER),
    Rule(r"^pip install ", Way.SHELL, why="a package index; tests/test_package.py builds the wheel"),
    Rule(r"^(docker|gcloud|IMAGE=)", Way.SHELL, why="Docker and Google's cloud; make dataflow-dry-run checks images and template"),
    Rule(r"^(hf auth login|sbatch )", Way.SHELL, why="a program of others; tests/test_sbatch.py runs the script"),
)  # fmt: skip


def rule_of(text: str) -> Rule | None:
    """The rule for a command; None if there is none."""
    return next((rule for rule in RULES if re.search(rule.pattern, text)), None)


def filled(text: str, rule: Rule) -> str:
    """The command with what the page leaves open, and without what is appended."""
    for old, new in rule.fill:
        text = text.replace(old, new)
    return text.replace("gs://BUCKET", "bucket").replace("gs://", "")
