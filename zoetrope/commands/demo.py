"""`zoetrope demo`: sample photographs, a COCO-style set of them, its clips, and where to look."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from zoetrope.arguments import Parser
from zoetrope.interrupt import loading
from zoetrope.jobs import AFTER_STOP

STOPPED = AFTER_STOP
PICTURES = 24
DESCRIPTION = """Make clips of sample photographs, check them, and name the files to look at. Nothing is
downloaded. The same command again finishes what is missing."""
EXAMPLES = """examples:
  zoetrope demo
  zoetrope demo -o first-steps/

DIR/coco holds the photographs and their captions in COCO's form, DIR/clips the shards."""


def main(argv: Sequence[str]) -> int:
    """The command. Returns the exit code of the job, then that of its validation."""
    args = _parser().read(argv)
    with loading():
        from zoetrope.commands import animate
        from zoetrope.commands.output import validate
        from zoetrope.samples import write_coco

    base = Path(args.output)
    annotations, images = write_coco(base / "coco", PICTURES)
    print(f"{PICTURES} sample photographs with captions: {annotations}")
    clips = base / "clips"
    job = [f"source.annotations={annotations}", f"source.images={images}", f"output={clips}"]
    arguments = ["--config", "coco", *job, "shard.max_samples=8"]
    print(f"$ zoetrope animate {shlex.join(arguments)}")
    code = animate.main(arguments)
    if code == 0:
        print(f"$ zoetrope validate {shlex.quote(str(clips))}")
        code = validate.main([str(clips)])
    if code == 0:
        print(_where_to_look(clips))
    return code


def _where_to_look(clips: Path) -> str:
    quoted = shlex.quote(str(clips))
    return (
        f"\nLook at:\n"
        f"  {clips}/report.html      the run's numbers and moving clips (open it in a browser)\n"
        f"  {clips}/README.md        the files of the folder and how to read them\n"
        f"  {clips}/00000.tar        a WebDataset shard: tar tf {quoted}/00000.tar\n"
        f"Look at every motion:     zoetrope studio {quoted}\n"
        f"Next, your own pictures:  zoetrope animate PICTURES/ -o clips/"
    )


def _parser() -> Parser:
    parser = Parser(prog="zoetrope demo", description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument("-o", "--output", metavar="DIR", default="demo", help="where to write (default demo)")
    return parser
