"""The files that Beam makes to hand in a job, such as the list of installed packages."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from apache_beam.transforms import environments

_LOCK = threading.Lock()


@contextmanager
def staged_files() -> Iterator[None]:
    """Remove these files at the end of the block, in which one job is handed in.

    Beam writes them to a new temporary folder per job and leaves it there. The runner has copied them when
    `Pipeline.run` returns.
    """
    with _LOCK, tempfile.TemporaryDirectory(prefix="zoetrope-") as folder:
        make = environments.python_sdk_dependencies

        def make_here(options: Any, tmp_dir: str | None = None) -> Any:
            return make(options, tmp_dir or tempfile.mkdtemp(dir=folder))

        environments.python_sdk_dependencies = make_here
        try:
            yield
        finally:
            environments.python_sdk_dependencies = make
