"""`zoetrope lab`: does animated pretraining help retrieval? The experiment of docs/lab.md."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from lab.config import LabConfig
from zoetrope.arguments import Parser, read_config
from zoetrope.interrupt import loading
from zoetrope.jobs import job_circumstances

EXAMPLES = """examples:
  zoetrope lab
  zoetrope lab --config smoke
  zoetrope lab --config ablation
  zoetrope lab --config gpu --seeds 0 1 2 3 4
  zoetrope lab output=quick/ --arms static negatives --seeds 0
  zoetrope lab table

The first takes an hour on 2 cores. smoke goes through every step in a minute or two, and its numbers
mean nothing. ablation continues the first with more arms. gpu has larger towers. table writes the
table again from what is there."""


def main(argv: Sequence[str]) -> int:
    """The command. 0 done; 1 a step failed, and its log is named; 2 bad usage or config."""
    until, config = read_arguments(_parser().read(argv))
    with loading():
        from lab.experiment import run, table
    if until == "make":
        with job_circumstances():
            run(config, until="data")
        print(f"{config.output}: corpus and shards are made; `zoetrope lab run` trains on them")
        return 0
    with job_circumstances():
        file = table(config) if until == "table" else run(config)
    assert file is not None  # noqa: S101 - narrows the type
    print(file.read_text(encoding="utf-8"))
    print(f"page: {file.parent / 'index.html'}")
    return 0


def read_arguments(args: argparse.Namespace) -> tuple[str, LabConfig]:
    """Return what to do (make, run or table), and the config. Raises ConfigError."""
    overrides = list(args.overrides)
    until = "run"
    if overrides and overrides[0] in ("make", "run", "table"):
        until = overrides.pop(0)
    for name in ("arms", "seeds"):
        values = getattr(args, name)
        if values:
            overrides.append(f"{name}=[{','.join(map(str, values))}]")
    args.overrides = overrides
    args.config = args.config or "cpu"
    return until, read_config(LabConfig, args, "lab")


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope lab",
        usage="zoetrope lab [make | run | table] [--config FILE] [--arms ARM ...] [--seeds N ...] "
        "[FIELD=VALUE ...]",
        description="Run the experiment of docs/lab.md: pretrain small models on still, animated and real "
        "clips,\nand compare them on retrieval, motion and order. `make` stops after the data,\n"
        "`table` writes the results of finished runs. The same command continues a stopped run.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--arms", nargs="+", metavar="ARM", help="only these arms; the field arms says which exist"
    )
    parser.add_argument("--seeds", nargs="+", type=int, metavar="N", help="only these seeds")
    parser.add_config(
        LabConfig,
        "a YAML file of fields, or the name of a shipped one: cpu (default), ablation, gpu, smoke",
        "set a field, e.g. output=lab-output",
    )
    return parser
