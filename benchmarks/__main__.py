"""Run every benchmark in turn: `make bench`. `python -m benchmarks render clip` runs some of them.

Each writes benchmarks/results/NAME.json with the commit, the hardware, the versions, medians and IQRs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
COMMAND = '\nif __name__ == "__main__":\n'


def names_of_benchmarks() -> list[str]:
    """The modules that are commands; the others are their parts."""
    paths = [path for path in FOLDER.glob("*.py") if path.stem != "__main__"]
    return sorted(path.stem for path in paths if COMMAND in path.read_text())


def main(names: list[str]) -> int:
    """Run the named benchmarks (default: all), each in a new process.

    Returns 1 if any failed, 2 for an unknown name.
    """
    known = names_of_benchmarks()
    unknown = sorted(set(names) - set(known))
    if unknown:
        print(f"unknown benchmark {unknown[0]!r}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    failed = []
    for name in names or known:
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
