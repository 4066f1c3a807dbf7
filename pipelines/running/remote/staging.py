"""The files that Beam makes to hand in a job, such as the list of installed packages."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from apache_beam.transforms import environments

_LOCK = threading.Lock()
_THREAD = threading.local()  # `folder`: where the files of the job go that this thread hands in


@contextmanager
def staged_files() -> Iterator[None]:
    """Remove these files at the end of the block, in which this thread hands in one job.

    Beam writes them to a new temporary folder per job and leaves it there. The runner has copied them when
    `Pipeline.run` returns. Several threads may hand in jobs at the same time.
    """
    _choose_folder()
    with tempfile.TemporaryDirectory(prefix="zoetrope-") as folder:
        _THREAD.folder = folder
        try:
            yield
        finally:
            del _THREAD.folder


def _choose_folder() -> None:
    """Let Beam write to the folder of the calling thread, if it has one. Beam has no option for it."""
    with _LOCK:
        make = environments.python_sdk_dependencies
        if hasattr(make, "__wrapped__"):
            return

        @wraps(make)
        def make_here(options: Any, tmp_dir: str | None = None) -> Any:
            folder = getattr(_THREAD, "folder", None)
            if tmp_dir is None and folder is not None:
                tmp_dir = tempfile.mkdtemp(dir=folder)
            return make(options, tmp_dir)

        environments.python_sdk_dependencies = make_here
