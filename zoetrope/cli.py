"""The `zoetrope` command: finds the subcommand, and maps every exception to one line and an exit code."""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import re
import select
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import NoReturn

from schemas.errors import StopRequestedError, WorkError
from schemas.text import nearest_hint, one_line
from schemas.version import VERSION
from zoetrope.interrupt import STOPPED, loading, terminable
from zoetrope.messages import any_text_on_stdout, messages_on_stderr
from zoetrope.packages import how_to_install

LOG = logging.getLogger("zoetrope.cli")  # also where this module runs as __main__
_TABLE = {  # heading of the usage -> (file below zoetrope/commands, purpose)
    "make shards": (
        ("animate", "image-caption pairs in, WebDataset clips out"),
        ("import-videos", "real videos (MSR-VTT, DiDeMo, ActivityNet, CSV, ...) in, the same shards out"),
        ("filters", "what the filters of a config would drop, without making clips"),
        ("output/retry", "make the failed samples of an output, and only those"),
        ("demo", "clips of sample photographs, and where to look"),
    ),
    "check and change shards": (
        ("output/validate", "check every shard against the manifest"),
        ("output/stats", "what an output holds: shards, captions, motions, failures"),
        ("output/head", "the first samples of shards"),
        ("output/failures", "why inputs failed, with an example of each reason"),
        ("output/merge", "several outputs into one folder of shards"),
        ("output/split", "the samples of an output into several, by shares"),
        ("output/push", "a finished output to the Hugging Face hub"),
    ),
    "see motions": (
        ("motions", "list the camera motions, their parameters and ranges"),
        ("preview", "see a motion on a picture, as GIF, MP4, WebP or contact sheet"),
        ("studio", "look at motions and shards in a local web page"),
    ),
    "train and measure": (
        ("model/train", "pretrain or fine-tune CLIP2Video from shards"),
        ("model/runs", "training runs side by side: progress, best metrics, a page of curves"),
        ("model/evaluate", "text-video retrieval metrics of a checkpoint"),
        ("model/convert", "official CLIP2Video or CLIP weights to a checkpoint of ours"),
        ("lab", "measure whether animated pretraining helps, on a made corpus"),
    ),
    "search": (
        ("model/index", "embed shards for search"),
        ("model/search", "search an index by text, picture or video, coarse to fine"),
        (
            "model/export",
            "a checkpoint or an index in the layout of open_clip, Hugging Face, CLIP2Video, Parquet",
        ),
    ),
    "set up": (
        ("configs", "list the installed configs, or print one to start from"),
        ("completion", "a script for your shell that completes commands and fields"),
    ),
}
_ROWS = [row for rows in _TABLE.values() for row in rows]
COMMANDS = {file.rpartition("/")[2]: purpose for file, purpose in _ROWS}
_MODULES = {file.rpartition("/")[2]: file.replace("/", ".").replace("-", "_") for file, _ in _ROWS}

FAILED, USAGE = 1, 2
USAGE_HEAD = """usage: zoetrope COMMAND [options]

Pictures with captions become clips in WebDataset shards, and a model learns to find videos by text.

first steps:
  zoetrope demo
  zoetrope studio photos/
  zoetrope animate pictures/ -o clips/
"""
USAGE_END = "zoetrope COMMAND --help, or zoetrope help COMMAND, lists a command's options."
LONGEST_LINE = 4000  # characters of a message
STOPPED_BY_PIPE = 141  # 128 + SIGPIPE, as other commands exit
# The first kind that fits decides. ConfigError is a ValueError, and a few errors of work are both.
EXIT_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (WorkError, FAILED),
    (OSError, FAILED),
    (MemoryError, FAILED),
    (ValueError, USAGE),
    (KeyboardInterrupt, STOPPED),
)
FROM_WORKER = re.compile(r"^[\w.]+Error: ")


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; returns its exit code.

    0 done, 1 the work could not be done or not all of it, 2 bad usage or config, 130 Ctrl-C. Without `argv`
    this is the process's own command line: after an error among ranks the process then exits at once.
    """
    if argv is None:
        any_text_on_stdout()
    code = _until_nobody_reads(lambda: _run(sys.argv[1:] if argv is None else argv))
    if argv is None:
        _leave(code)
    return code


def guarded(name: str, run: Callable[[], int], stopped: str = "stopped") -> int:
    """Call a command, and turn the exceptions of EXIT_CODES into one line and an exit code.

    Any other exception is a bug, and passes.

    `stopped` is the line after Ctrl-C.
    """
    with messages_on_stderr(f"zoetrope {name}"):
        try:
            with terminable():
                return run()
        except BrokenPipeError:
            raise
        except ModuleNotFoundError as error:
            line = how_to_install(error)
            if line is None:
                raise
            LOG.debug("".join(traceback.format_exception(error)).rstrip())
            LOG.error(line)
            return USAGE
        except tuple(kind for kind, _ in EXIT_CODES) as error:
            return _ended(error, stopped)


def _run(args: list[str]) -> int:
    if args[:1] == ["help"]:  # zoetrope help animate
        args = [*args[1:2], "--help"]
    if not args or args[0] in ("-h", "--help"):
        print(_usage())
        if args:
            return 0
        return USAGE
    if args[0] in ("-V", "--version"):
        print(f"zoetrope {VERSION}")
        return 0
    if args[0] not in COMMANDS:
        known = f"commands: {', '.join(COMMANDS)}"
        print(
            f"zoetrope: unknown command {args[0]!r}{nearest_hint(args[0], COMMANDS)}; {known}",
            file=sys.stderr,
        )
        return USAGE
    with loading():
        command = command_module(args[0])
    return guarded(args[0], lambda: _call(command, args[1:]), getattr(command, "STOPPED", "stopped"))


def command_module(name: str) -> ModuleType:
    """Import the module of a command."""
    return importlib.import_module(f"zoetrope.commands.{_MODULES[name]}")


def _call(command: ModuleType, args: list[str]) -> int:
    try:
        return int(command.main(args))
    except SystemExit as done:  # argparse, after --help
        if isinstance(done.code, int):
            return done.code
        return int(done.code is not None)


def _ended(error: BaseException, stopped: str) -> int:
    """Log the line of an error; returns its exit code."""
    LOG.debug("".join(traceback.format_exception(error)).rstrip())
    if isinstance(error, KeyboardInterrupt):
        LOG.warning(stopped)
        if isinstance(error, StopRequestedError) and not error.clean:
            sys.stdout.flush()
            os._exit(STOPPED)  # threads that wait for a server would hold the process
    else:
        LOG.error(_line(error))
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))


def _line(error: BaseException) -> str:
    """The message of an error. An error of a torch worker process has its own message after a traceback."""
    text = str(error).strip()
    if "Original Traceback" in text:
        text = FROM_WORKER.sub("", text.splitlines()[-1])
    line = one_line(text or error)
    if len(line) > LONGEST_LINE:  # names and values of a hostile file can have megabytes
        return f"{line[: LONGEST_LINE // 2]} ... {line[-LONGEST_LINE // 2 :]}"
    return line


def _until_nobody_reads(run: Callable[[], int]) -> int:
    """Run, and print nothing more once the reader of standard output is gone.

    An example is ``zoetrope motions | head -3``. A command that this stopped returns STOPPED_BY_PIPE.
    """
    code: int | None = None
    try:
        try:
            code = run()
        finally:
            sys.stdout.flush()  # a closed pipe shows here, and not as a traceback when the interpreter ends
    except BrokenPipeError:
        if not _reader_is_gone():  # another pipe broke, which is a bug
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if code is None:
            return STOPPED_BY_PIPE
        return code
    return code


def _reader_is_gone() -> bool:
    """Whether standard output is a pipe that nobody reads.

    The system knows; a failed write may have left no buffer.
    """
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), select.POLLOUT)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    except OSError:  # captured: no file at all
        return False


def _leave(code: int) -> None:
    """The end of the command's own process, up to the exit of the interpreter."""
    if code == STOPPED:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a further Ctrl-C ends the process without a traceback
    ranks = sys.modules.get("trainer.device.ranks")
    if ranks is not None and code:
        ranks.leave(code)  # at once: as the interpreter ends, NCCL would wait for the other ranks
    if "apache_beam" in sys.modules:
        _leave_at_once(code)


def _leave_at_once(code: int) -> NoReturn:
    """End the process without freeing the modules one by one, which takes Beam a third of a second."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it
            stream.flush()
    os._exit(code)


def _usage() -> str:
    from zoetrope.help_layout import fitted

    rows = []
    for heading, commands in _TABLE.items():
        rows.append(f"{heading}:")
        rows += [f"  {file.rpartition('/')[2]:14}  {purpose}" for file, purpose in commands]
    return fitted("\n".join((USAGE_HEAD, *rows, "", USAGE_END)))


if __name__ == "__main__":
    sys.exit(main())
