"""Run every benchmark in turn: `make bench`. `python -m benchmarks render clip` runs some of them.

Each writes benchmarks/results/NAME.json with the commit, the hardware, the versions, medians and IQRs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HELPERS = {"__init__", "__main__", "harness", "job_gpu", "job_workers", "operators", "pictures", "plain_loop"}


def main(names: list[str]) -> int:
    """Run the named benchmarks (default: all), each in a new process.

    Returns 1 if any failed, 2 for an unknown name.
    """
    known = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if p.stem not in HELPERS)
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
