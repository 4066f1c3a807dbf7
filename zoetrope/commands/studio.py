"""`zoetrope studio`: look at motions and shards in a web page on this machine."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from zoetrope.arguments import Parser
from zoetrope.interrupt import loading

LOG = logging.getLogger(__name__)
DEFAULT_PORT = 7865
EXAMPLES = """examples:
  zoetrope studio photos/ --open
  zoetrope studio photos/ gs://bucket/clips
  zoetrope studio clips/ --index index/"""


def main(argv: Sequence[str]) -> int:
    """The command. Serves until Ctrl-C. Raises ConfigError for bad usage and a port in use."""
    args = _parser().read(argv)
    with loading():
        from preview.studio.studio import studio
    code = studio(
        args.paths,
        port=args.port,
        host=args.host,
        index=args.index,
        open_browser=args.open,
        ready=_announce,
    )
    LOG.warning("stopped")
    return code


def _announce(address: str) -> None:
    print(f"Zoetrope studio: {address}  (Ctrl-C ends it)", flush=True)


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope studio",
        description="Look at camera motions on pictures, and at the clips of an output, in a web page on "
        "this machine.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PICTURES | OUTPUT",
        help="pictures, folders of them, and output folders; without pictures: a few sample photographs",
    )
    parser.add_argument("--open", action="store_true", help="open the page in your browser")
    parser.add_argument(
        "--port",
        metavar="N",
        type=int,
        default=DEFAULT_PORT,
        help=f"port to listen on (default {DEFAULT_PORT}); 0: any that is free",
    )
    parser.add_argument(
        "--host",
        metavar="ADDRESS",
        default="127.0.0.1",
        help="address to listen on (default 127.0.0.1: this machine alone)",
    )
    parser.add_argument(
        "--index",
        metavar="DIR",
        help="an index made by `zoetrope index`: adds a tab that searches it by text",
    )
    return parser
