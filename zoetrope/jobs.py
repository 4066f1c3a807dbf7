"""Shared by the commands that run a job: its circumstances, the lines of plan and result, the report."""

from __future__ import annotations

import logging
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import TYPE_CHECKING, Any

from schemas.errors import StillRunningError
from schemas.text import counted, duration, human_bytes
from schemas.version import VERSION
from zoetrope.interrupt import terminable

if TYPE_CHECKING:
    from pipelines.dry_run import Plan
    from pipelines.result import RunResult

LOG = logging.getLogger(__name__)
AFTER_STOP = "stopped; nothing half-written is left. Run the same command again to continue."
PACKAGES = ("apache-beam", "numpy", "opencv-python-headless", "simplejpeg", "av", "kornia", "torch")


def run_and_report(run: Callable[[], RunResult], config: Mapping[str, Any], command: Sequence[str]) -> int:
    """Run a job, write its report and print its summary; returns the exit code.

    `command` is the command line, which the report shows.
    """
    started = time.time()
    with job_circumstances():
        try:
            result = run()
        except StillRunningError as left:
            LOG.warning(left)
            return left.exit_code
        report = _report(result, config, shlex.join(command), started)
        _write_metrics(result)
        print(summary(result, report))
    return result.exit_code


def plan_lines(plan: Plan) -> str:
    """The plan of a job, as --dry-run prints it."""
    about = ""
    if not plan.exact:
        about = "about "
    will_fail = ""
    if plan.failing:
        will_fail = f", {plan.failing} of them without a file or captions"
    size, total = plan.sample_bytes, "size unknown"
    if size:
        made = human_bytes(size * (plan.inputs - plan.failing))
        total = f"about {made} ({human_bytes(size)} a sample)"
    more = ""
    if plan.inputs > len(plan.keys):
        more = ", ..."
    new = ""
    if plan.new_tasks:
        kept = plan.inputs - plan.new_inputs
        tasks = counted(plan.tasks - plan.new_tasks, "task")
        new = f"; {plan.new_inputs} of them are new, {kept} are kept in {tasks}"
    return "\n".join(
        (
            f"source   {plan.source}: {about}{counted(plan.inputs, 'input')}{will_fail}{new}",
            f"output   {plan.output}: {counted(plan.tasks, 'task')} (a shard each), {plan.left} to be made",
            f"store    {plan.store}, {total}",
            *([f"filters  {plan.filters}"] if plan.filters else []),
            f"runner   {plan.runner}",
            f"keys     {', '.join(plan.keys)}{more}",
            "dry run: nothing was written",
        )
    )


def summary(result: RunResult, report: str | None) -> str:
    """Summarise a run for a person."""
    totals = result.totals
    rate = 0.0
    if result.seconds > 0:
        rate = (result.written + max(0, result.failed)) / result.seconds
    failed = f"{result.failed} failed"
    if result.failed < 0:  # after a retry
        failed = f"{-result.failed} failures fewer"
    lines = [
        f"{result.output}: {counted(totals.written, 'clip')} in {counted(len(totals.shards), 'shard')} "
        f"({human_bytes(totals.bytes)}), "
        f"{totals.failed} of {counted(totals.inputs, 'input')} failed"
    ]
    lines += [
        f"  {count:>9}  {reason}"
        for reason, count in sorted(totals.reasons.items(), key=lambda r: (-r[1], r[0]))
    ]
    if result.written or result.failed:
        lines.append(
            f"this run: {result.written} written, {failed} in {duration(result.seconds)} "
            f"({rate:.1f} inputs/s)"
        )
    lines += _warnings(result)
    if totals.failed:
        lines.append(f"what to do about failures: {shlex.join(['zoetrope', 'failures', result.output])}")
    if report:
        lines.append(f"report: {report}")
    return "\n".join(lines)


def _warnings(result: RunResult) -> list[str]:
    """Return what is wrong with a run, in at most one line."""
    totals = result.totals
    if totals.off_by:
        return [
            f"off by {totals.off_by}: {totals.inputs} inputs, but {totals.written} written + "
            f"{totals.failed} failed; "
            "has the source changed while the job ran?"
        ]
    if not totals.inputs:
        return ["the source holds no inputs of its kind; check source.kind and its path"]
    if result.exit_code and not totals.written:
        return ["no input became a clip; failures.parquet says why, one row each"]
    if result.exit_code:
        return [
            f"too many failures: {result.failure_ratio:.1%} of the inputs, over "
            f"max_failure_ratio={result.max_failure_ratio:g}; failures.parquet says why, one row each"
        ]
    return []


def _report(result: RunResult, config: Mapping[str, Any], command: str, started: float) -> str | None:
    """report.html, if this run made anything or there is none yet."""
    from preview.report.earlier import keep_earlier
    from preview.report.report import HTML_FILE, RunStats, write_report
    from storage.read import file_exists
    from storage.uris import join

    page = join(result.output, HTML_FILE)
    if result.nothing_made and file_exists(page):
        return page
    width, counts = result.throughput
    stats = RunStats(
        command=command,
        started=started,
        seconds=result.seconds,
        written=result.written,
        failed=max(0, result.failed),
        resumed=result.resumed,
        bucket_seconds=width,
        throughput=tuple(counts),
        config=config,
        versions=_versions(),
        counters=result.counters,
    )
    keep_earlier(result.output)
    return write_report(result.output, stats).html


def _write_metrics(result: RunResult) -> None:
    from preview.report.prometheus import write_metrics

    write_metrics(result, time.time())


def _versions() -> dict[str, str]:
    found = {"python": ".".join(map(str, sys.version_info[:3])), "zoetrope": VERSION}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@contextmanager
def job_circumstances() -> Iterator[None]:
    """Keep Beam quiet, and turn SIGTERM and SIGHUP into `TerminatedError`.

    Schedulers send SIGTERM, and a closed terminal SIGHUP. A local job stops, and a remote one continues.
    """
    with _quiet_beam(), terminable(signal.SIGTERM), terminable(signal.SIGHUP):
        yield


@contextmanager
def _quiet_beam() -> Iterator[None]:
    """Silence Beam's logs.

    Beam logs a traceback for every error that a job reports in one line. It logs a warning for each option
    that a worker does not know. It logs the messages of job servers at the root.
    """
    loggers = [logging.getLogger("apache_beam"), logging.getLogger()]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
