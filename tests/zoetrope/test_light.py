"""Beam's import for a job on this machine, in an interpreter of its own."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

from zoetrope.light import without_warnings

PROBE = """
import json, logging, sys
from zoetrope.light import import_beam_for_this_machine

import_beam_for_this_machine()
import apache_beam as beam

unused = ("pandas", "google.cloud.storage", "apache_beam.io.gcp.bigquery", "apitools", "pymongo", "requests")
loaded = [name for name in unused if name in sys.modules] + logging.getLogger().handlers
made = []
with beam.Pipeline(runner="apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner") as pipeline:
    _ = pipeline | beam.Create([1, 2]) | beam.Reshuffle() | beam.Map(made.append)

import pyarrow as pa
from apache_beam.io.filesystems import FileSystems
from apache_beam.io.gcp.bigquery import ReadFromBigQuery
from apache_beam.io.gcp.gcsio import GcsIO
from apache_beam.runners.dataflow.internal.apiclient import DataflowApplicationClient

frame = pa.table({"a": [1]}).to_pandas()
stores = type(FileSystems.get_filesystem("gs://bucket/name")).__name__
print(json.dumps([loaded, "apache_beam" in sys.modules, list(frame.columns), stores]))
"""


def test_beam_runs_without_pandas_and_google_which_are_there_when_somebody_asks():
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[], True, ["a"], "GCSFileSystem"]
    assert done.stderr == ""


def test_warnings_of_imports_are_not_shown_and_later_ones_are(caplog):
    root = logging.getLogger()
    before = list(root.handlers)
    with without_warnings():
        logging.warning("no clients of the cloud")
    assert root.handlers == before
    logging.getLogger("other").warning("later")
    assert [record.message for record in caplog.records] == ["later"]
