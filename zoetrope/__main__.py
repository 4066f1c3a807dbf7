"""``python -m zoetrope``, which is also how torchrun starts the command on every rank."""

import sys

from zoetrope.cli import main

if __name__ == "__main__":
    sys.exit(main())
