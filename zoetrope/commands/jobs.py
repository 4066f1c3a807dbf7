"""What every command that runs a job shares: arguments, one-line errors, exit codes, the summary and the report."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import Any, NoReturn

from pipelines.running.engine import read_runner_config
from pipelines.running.pipeline import StopRequestedError
from pipelines.running.progress import duration
from pipelines.running.stores import store_options
from pipelines.running.submit import RunResult
from schemas.errors import ConfigError, JobError
from schemas.text import counted, human_bytes, one_line
from schemas.version import VERSION
from storage.login import set_options

STOPPED = 130
VERSIONS = ("apache-beam", "numpy", "opencv-python-headless", "simplejpeg", "av", "kornia", "torch")


class Parser(argparse.ArgumentParser):
    """Usage errors as ConfigError: one line, exit 2."""

    def error(self, message: str) -> NoReturn:
        """Raises ConfigError."""
        raise ConfigError(f"{message}; see {self.prog} --help")


def split_beam_args(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """The command's own arguments, and Beam's: those of ``--runner-config FILE``, then what stands after ``--``.

    Options of object stores (``--s3_endpoint_url``) take effect at once, because planning opens files too.
    """
    own, beam_args = _split(argv)
    set_options(store_options(beam_args))
    return own, beam_args


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    arguments = list(argv)
    at = arguments.index("--") if "--" in arguments else len(arguments)
    own, beam_args = arguments[:at], arguments[at + 1 :]
    for number, argument in enumerate(own):
        name, equals, path = argument.partition("=")
        if name == "--runner-config":
            if not equals and number + 1 == len(own):
                raise ConfigError(
                    "--runner-config: say which file, e.g. --runner-config configs/runners/flink.yaml"
                )
            path = path if equals else own[number + 1]
            return own[:number] + own[number + (1 if equals else 2) :], [
                *read_runner_config(path),
                *beam_args,
            ]
    return own, beam_args


def run_command(run: Callable[[], RunResult], config: Mapping[str, Any], command: str) -> int:
    """Run a job, print its summary, write its report; returns the exit code."""
    started = time.time()

    def whole() -> int:
        result = run()
        report = _report(result, config, command, started)
        print(summary(result, report))
        return result.exit_code

    return guarded(whole)


def guarded(run: Callable[[], int]) -> int:
    """Call it with one line for what ends a job, and exit codes; ConfigError passes (the `zoetrope` command prints it)."""
    try:
        with _quiet_beam(), _sigterm_as_ctrl_c():
            return run()
    except (JobError, OSError) as error:
        _say(one_line(error))
        return 1
    except KeyboardInterrupt as stop:
        _say("stopped; nothing half-written is left. Run the same command again to go on.")
        if isinstance(stop, StopRequestedError) and not stop.clean:
            sys.stdout.flush()
            os._exit(STOPPED)  # threads that wait for a server would hold the process
        return STOPPED


def summary(result: RunResult, report: str | None) -> str:
    """What a person reads at the end."""
    totals = result.totals
    rate = (result.written + max(0, result.failed)) / result.seconds if result.seconds > 0 else 0.0
    failed = (
        f"{result.failed} failed" if result.failed >= 0 else f"{-result.failed} failures fewer"
    )  # after a retry
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
            f"this run: {result.written} written, {failed} in {duration(result.seconds)} ({rate:.1f}/s)"
        )
    if totals.off_by:
        lines.append(
            f"off by {totals.off_by}: {totals.inputs} inputs, but {totals.written} written + {totals.failed} failed; "
            "has the source changed while the job ran?"
        )
    elif result.exit_code:
        lines.append(
            f"too many failures: {result.failure_ratio:.1%} of the inputs, over "
            f"max_failure_ratio={result.max_failure_ratio:g}; failures.parquet says why, one row each"
        )
    if report:
        lines.append(f"report: {report}")
    return "\n".join(lines)


def _report(result: RunResult, config: Mapping[str, Any], command: str, started: float) -> str | None:
    """report.html, if this run made anything or there is none yet."""
    from preview.report.report import HTML_FILE, RunStats, write_report
    from storage.read import file_exists
    from storage.uris import join

    page = join(result.output, HTML_FILE)
    if result.nothing_made and file_exists(page):
        return page
    if not result.totals.written:
        return None
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
    return write_report(result.output, stats).html


def _versions() -> dict[str, str]:
    found = {"python": ".".join(map(str, sys.version_info[:3])), "zoetrope": VERSION}
    for name in VERSIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@contextmanager
def _quiet_beam() -> Iterator[None]:
    """Beam logs tracebacks of what a job tells in one line, and a warning for each option a worker does not know.

    What job servers say it logs at the root.
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


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Schedulers end a job with SIGTERM: stop as cleanly as for Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(text: str) -> None:
    print(f"zoetrope: {text}", file=sys.stderr, flush=True)
