"""The folder that a run writes its logs to."""

from __future__ import annotations

import tempfile
from pathlib import Path

from storage.read import exists, open_uri
from storage.uris import is_remote, join
from storage.write import upload

METRICS_FILE = "metrics.jsonl"
RUN_ID_FILE = "run_id.txt"
RESUMED = (METRICS_FILE, RUN_ID_FILE)  # a resumed run continues these


class LogFolder:
    """The run's output, or a local folder that `publish` copies to the output in an object store.

    Objects cannot be appended to, so records after the last checkpoint are lost with a killed run, as its
    steps are.
    """

    def __init__(self, output: str) -> None:
        """Raises OSError if the output cannot be read or created."""
        self._remote = output if is_remote(output) else None
        self._published: dict[Path, int] = {}  # file -> size; logs only grow
        if self._remote is None:
            self.path = Path(output)
            self.path.mkdir(parents=True, exist_ok=True)
            return
        self._folder = tempfile.TemporaryDirectory(prefix="zoetrope-")
        self.path = Path(self._folder.name)
        for name in RESUMED:
            before = join(self._remote, name)
            if exists(before):
                with open_uri(before) as stream:
                    (self.path / name).write_bytes(stream.read())

    def publish(self) -> None:
        """Copy what has grown to the object store. Raises OSError naming what cannot be written."""
        if self._remote is None:
            return
        for file in sorted(path for path in self.path.rglob("*") if path.is_file()):
            size = file.stat().st_size
            if self._published.get(file) != size:
                upload(file, join(self._remote, str(file.relative_to(self.path))))
                self._published[file] = size
