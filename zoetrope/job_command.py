"""The body of the commands that make shards from a config: animate and import-videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pipelines.config import AnimateConfig, ImportConfig
from schemas.errors import ConfigError
from zoetrope.arguments import Parser, beam_options, is_local, read_config, split_beam_args
from zoetrope.inputs import spelled_out
from zoetrope.interrupt import loading
from zoetrope.jobs import job_circumstances, plan_lines, run_and_report
from zoetrope.light import import_beam_for_this_machine, without_warnings

if TYPE_CHECKING:
    from pipelines.dry_run import Plan
    from pipelines.result import RunResult

    UseCase = tuple[Callable[..., RunResult], Callable[[Any, Sequence[str]], Plan]]


def run_job_command(
    name: str,
    argv: Sequence[str],
    parser: Parser,
    config_type: type[AnimateConfig] | type[ImportConfig],
    shipped: str,
    load: Callable[[], UseCase],
) -> int:
    """Run the command `name`; returns its exit code.

    `shipped` is the folder of its configs. `load` imports the functions that run and plan the job; they
    import Beam, while the workers start.
    """
    own, after_dashes = split_beam_args(argv)
    args = parser.read(own)
    args.overrides = spelled_out(args, guess=name == "animate")
    if args.config is None and not any(field.startswith("output=") for field in args.overrides):
        raise ConfigError("no output: give the folder of the shards, as in `-o clips/`")
    config = read_config(config_type, args, shipped)
    beam_args = beam_options(args.runner_config, after_dashes)
    on_this_machine = is_local(beam_args)
    with loading():
        from pipelines.making.pools import workers_started
    started = workers_started(config, beam_args, runner_is_local=on_this_machine, dry_run=args.dry_run)
    with started:
        with loading(), without_warnings():
            if on_this_machine:
                import_beam_for_this_machine()
            run, plan = load()
        if args.dry_run:
            with job_circumstances():
                print(plan_lines(plan(config, beam_args)))
            return 0
        command = ["zoetrope", name, *argv]
        return run_and_report(lambda: run(config, beam_args, detach=args.detach), config.to_dict(), command)
