"""`zoetrope animate`: image-caption pairs in, WebDataset clips out."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.config import AnimateConfig
from schemas.config import describe
from zoetrope.arguments import Parser, beam_options, is_local, read_config, split_beam_args
from zoetrope.interrupt import loading
from zoetrope.jobs import AFTER_STOP, job_circumstances, plan_lines, run_and_report

STOPPED = AFTER_STOP
USAGE = """zoetrope animate [--config FILE.yaml] [FIELD=VALUE ...] [--dry-run]
                        [--runner-config FILE.yaml] [--detach] [-- BEAM OPTIONS]"""
DESCRIPTION = """Turn image-caption pairs into clips in WebDataset shards. Fields come from the file, then
from FIELD=VALUE, in that order.
Arguments after -- go to Beam unchanged, e.g. -- --runner=FlinkRunner --flink_master=host:8081
Running the same command again finishes what is missing. Ctrl-C stops; nothing half-written is left."""
EXAMPLES = """examples:
  zoetrope animate --config folder source.uri=pictures/ output=clips/
  zoetrope animate --config coco source.annotations=captions_train2017.json source.images=train2017/ \\
      output=clips/
  zoetrope animate --config tars source.uri='cc12m/*.tar' output=gs://bucket/clips --runner-config flink"""


def main(argv: Sequence[str]) -> int:
    """The command. 0 done, 1 too many failures, or it cannot be finished now."""
    own, after_dashes = split_beam_args(argv)
    args = _parser().read(own)
    config = read_config(AnimateConfig, args, "animate")
    beam_args = beam_options(args.runner_config, after_dashes)
    with loading():
        from pipelines.making.pools import workers_started
    with workers_started(config, is_local(beam_args) and not args.dry_run):
        with loading():
            from pipelines.animate import animate, plan
        if args.dry_run:
            with job_circumstances():
                print(plan_lines(plan(config, beam_args)))
            return 0
        command = ["zoetrope", "animate", *argv]
        return run_and_report(
            lambda: animate(config, beam_args, detach=args.detach), config.to_dict(), command
        )


def _parser() -> Parser:
    rows = sorted(describe(AnimateConfig), key=lambda row: not row.strip().startswith(("source.", "output")))
    parser = Parser(
        prog="zoetrope animate",
        usage=USAGE,
        description=DESCRIPTION,
        epilog=f"{EXAMPLES}\n\nFields:\n" + "\n".join(rows),
    )
    parser.add_config(
        AnimateConfig,
        "a YAML file of fields, or the name of a shipped one for a kind of source, such as coco",
        "set a field, e.g. store=mp4",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the plan (shards, samples, bytes, first keys) and write nothing",
    )
    parser.add_runner()
    return parser
