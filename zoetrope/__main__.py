"""``python -m zoetrope``, which is also how torchrun starts the command on every rank."""

from __future__ import annotations

import sys

from zoetrope.interrupt import loading


def main() -> int:
    """The process of the command: Ctrl-C is one line from its first moment on."""
    with loading():
        from zoetrope.cli import main as run
    return run()


if __name__ == "__main__":
    sys.exit(main())
