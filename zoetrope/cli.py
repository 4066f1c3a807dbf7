"""The `zoetrope` command: finds the subcommand's `main(argv) -> int` and turns usage errors into one line and exit 2."""

from __future__ import annotations

import importlib
import os
import select
import sys

from zoetrope import __version__

COMMANDS = {
    "animate": ("pipelines.animate", "image-caption pairs in, WebDataset clips out"),
    "retry": ("pipelines.retry", "make the failed samples of an output, and only those"),
    "validate": ("pipelines.output.validate", "check every shard against the manifest"),
    "motions": ("zoetrope.commands.motions", "list the camera motions, their parameters and ranges"),
    "preview": ("preview.show.preview", "see a motion on a picture, as GIF, MP4, WebP or contact sheet"),
    "studio": ("preview.studio.studio", "look at motions and shards in a local web page"),
    "import-videos": ("pipelines.videos", "real videos (MSR-VTT, MSVD, VATEX, CSV) in, the same shards out"),
    "train": ("trainer.fit.train", "pretrain or fine-tune CLIP2Video from shards"),
    "evaluate": ("trainer.retrieval.evaluate", "text-video retrieval metrics of a checkpoint"),
    "convert": ("trainer.model.convert", "official CLIP2Video or CLIP weights to a checkpoint of ours"),
    "index": ("trainer.index.build", "embed shards for search"),
    "search": ("zoetrope.commands.search", "search an index by text or picture, coarse to fine"),
}

STOPPED_BY_PIPE = 141  # 128 + SIGPIPE, as other commands exit


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; returns its exit code (0 done, 1 done with too many failures, 2 bad usage or config).

    Where the reader of standard output has gone (``zoetrope motions | head -3``), the rest is not printed, and a command that
    this stopped returns STOPPED_BY_PIPE.
    """
    code: int | None = None
    try:
        try:
            code = _run(sys.argv[1:] if argv is None else argv)
        except SystemExit as done:  # argparse, after --help
            code = done.code if isinstance(done.code, int) else int(done.code is not None)
            raise
        finally:
            sys.stdout.flush()  # a closed pipe shows here, not as a traceback at the interpreter's end
    except BrokenPipeError:
        if not _reader_is_gone():  # another pipe broke: no affair of ours
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return STOPPED_BY_PIPE if code is None else code
    return code


def _run(args: list[str]) -> int:
    if not args or args[0] in ("-h", "--help"):
        print(_usage())
        return 0 if args else 2
    if args[0] in ("-V", "--version"):
        print(f"zoetrope {__version__}")
        return 0
    if args[0] not in COMMANDS:
        print(f"zoetrope: unknown command {args[0]!r}; commands: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    from schemas.errors import ConfigError

    try:
        return int(importlib.import_module(COMMANDS[args[0]][0]).main(args[1:]))
    except ConfigError as error:
        print(f"zoetrope {args[0]}: {error}", file=sys.stderr)
        return 2


def _reader_is_gone() -> bool:
    """Whether standard output is a pipe that nobody reads. Asked of the system: a failed write may have left no buffer."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), select.POLLOUT)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    except OSError:  # captured: no file at all
        return False


def _usage() -> str:
    rows = "\n".join(f"  {name:14} {what}" for name, (_, what) in COMMANDS.items())
    return f"usage: zoetrope COMMAND [options]\n\n{rows}\n\nzoetrope COMMAND --help tells each command's options."


if __name__ == "__main__":
    sys.exit(main())
