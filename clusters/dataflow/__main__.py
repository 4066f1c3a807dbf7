"""Check the Dataflow job without an account: `python -m clusters.dataflow`, or `make dataflow-dry-run`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from clusters.dataflow.environment import check_environment
from clusters.dataflow.graph import check_graph
from clusters.dataflow.image import check_image
from clusters.dataflow.wheel import check_wheel

Check = Callable[[Path], Iterator[str]]  # a scratch folder in, one line per fault out
CHECKS: Mapping[str, Check] = {
    "graph": check_graph,
    "environment": check_environment,
    "wheel": check_wheel,
    "image": check_image,
}


def main(checks: Mapping[str, Check] = CHECKS) -> int:
    """Print one line per check. Returns 1 if a check found a fault."""
    faults: list[str] = []
    for name, check in checks.items():
        with tempfile.TemporaryDirectory() as scratch:
            found = list(check(Path(scratch)))
        print(f"{name}: {'; '.join(found) or 'no faults'}")
        faults += found
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
