"""Import Beam for a job on this machine, in a third of the time.

Beam and pyarrow import pandas, the clients of Google's cloud and of MongoDB wherever they find them. A job on
the direct runner uses none of them, and both libraries work where they are not installed.
"""

from __future__ import annotations

import gc
import importlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

UNUSED = ("apache_beam.io.gcp.bigquery", "apitools", "bson", "google.cloud", "pandas")
MODULES = ("apache_beam", "apache_beam.runners.portability.fn_api_runner.fn_runner")
MONGO = "apache_beam.io.mongodbio"  # warns that it has no bson


@contextmanager
def without_warnings() -> Iterator[None]:
    """Keep the warnings of imports away from a command's messages.

    Beam warns that it has no clients of Google's cloud, which a job on Flink or Spark does not need.
    """
    root, silent = logging.getLogger(), logging.NullHandler()
    before = root.manager.disable
    root.addHandler(silent)  # without any handler the first warning would add one
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
        root.removeHandler(silent)


class _NotInstalled:
    """A finder of modules that refuses those of `UNUSED`."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in UNUSED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def import_beam_for_this_machine() -> None:
    """Import Beam and its direct runner as if the modules of `UNUSED` were not installed.

    They can be imported as usual afterwards, also by Beam's own modules for Dataflow and object stores. Only
    Beam's reader of MongoDB stays without its client. Does nothing if Beam was imported before.
    """
    if "apache_beam" in sys.modules:
        return
    finder = _NotInstalled()
    mongo = logging.getLogger(MONGO)
    # A .pth file of Google's packages declares `google.cloud` in every interpreter.
    declared = {name: sys.modules.pop(name) for name in UNUSED if name in sys.modules}
    sys.meta_path.insert(0, finder)
    mongo.disabled = True
    gc.disable()  # thousands of new objects, and hardly any garbage
    try:
        import pyarrow as pa

        pa.array([])  # looks for pandas, once
        for module in MODULES:
            importlib.import_module(module)
    finally:
        gc.freeze()  # modules stay to the end: no collection needs to look at them
        gc.enable()
        sys.meta_path.remove(finder)
        sys.modules.update(declared)
        mongo.disabled = False
