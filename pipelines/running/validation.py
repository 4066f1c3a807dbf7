"""`zoetrope validate` as a Beam job: the workers read the shards and send back problems alone.

The report is that of `pipelines.output.validate`. It comes back through a file in the output, because no
runner hands results to its submitter.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam

from pipelines.output.folder import Output
from pipelines.output.validate import Indexed, Validation, check_folder, check_shard, index_batches, sum_up
from pipelines.running.engine import choose_runner
from pipelines.running.options import check_endpoints
from pipelines.running.pipeline import PipelineRun, job_error
from pipelines.running.remote.held import held_signals
from pipelines.running.stores import store_options
from schemas.errors import StopRequestedError
from schemas.manifest import MANIFEST, MANIFEST_FILE, SAMPLES_FILE, ShardRow
from schemas.text import counted
from storage.login import get_options, set_options
from storage.read import read_bytes
from storage.tables import has_table, open_table, read_manifest, table_files
from storage.uris import join
from storage.write import remove_file, write_bytes

LOG = logging.getLogger(__name__)
LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Check:
    """The settings of the stages. Small and picklable."""

    output: str
    decode: bool
    stores: Mapping[str, Mapping[str, Any]] = field(default_factory=get_options)  # scheme -> its options


@dataclass(frozen=True)
class Found:
    """The problems of a shard."""

    shard: str
    problems: tuple[str, ...] = ()
    is_indexed: bool = True  # the table of samples names it


def validate_on_runner(output: str, beam_args: Sequence[str], *, decode: bool = True) -> Validation:
    """Check an output folder on a runner; `beam_args` are Beam's options.

    Raises FileNotFoundError if there is no manifest, ConfigError, JobError, StopRequestedError after Ctrl-C.
    The output must be writable: the workers put the report there.
    """
    set_options(store_options(beam_args))
    choice = choose_runner(beam_args, None)
    check_endpoints(choice.options)
    place = Output(output)
    rows = read_manifest(place.uri)
    report = place.state(f"validation-{uuid.uuid4().hex}.json")
    pipeline = beam.Pipeline(runner=choice.runner, options=choice.options)
    build(pipeline, Check(place.uri, decode), report)
    LOG.info(f"{counted(len(rows), 'shard')}; {choice.describe()}")
    run = PipelineRun(pipeline, choice)
    try:
        if not choice.is_local:
            with held_signals(run.submit_no_more):
                run.submit()
        run.start()
        while not run.ended.wait(LOOK_SECONDS):
            pass
    except KeyboardInterrupt:
        if run.ident is None:
            run.start()
        raise StopRequestedError(run.stop(None)) from None
    if run.error is not None:
        raise job_error(run.error) from run.error
    try:
        found = [Found(**values) for values in json.loads(read_bytes(report))]
    finally:
        remove_file(report)
    return _report(place.uri, rows, found)


def build(pipeline: beam.Pipeline, check: Check, report: str) -> None:
    """Put the check into a pipeline. It writes what it has found into the file `report`."""
    if has_table(check.output, SAMPLES_FILE):
        tables = table_files(check.output, SAMPLES_FILE)
    else:
        tables = []
    rows = (
        pipeline
        | "Row groups" >> beam.Create(_row_groups(check.output))
        | "Manifest" >> beam.ParDo(_Rows(check)).with_output_types(tuple[str, ShardRow])
    )
    indexed = (
        pipeline
        | "Tables" >> beam.Create(tables)
        | "Spread tables" >> beam.Reshuffle()
        | "Samples" >> beam.ParDo(_Index(check)).with_output_types(tuple[str, tuple[int, str]])
    )
    _ = (
        {"rows": rows, "indexed": indexed}
        | "By shard" >> beam.CoGroupByKey()
        | "Check" >> beam.ParDo(_CheckShard(check)).with_output_types(Found)
        | "All" >> beam.combiners.ToList()
        | "Report" >> beam.ParDo(_Write(check, report))
    )


def _row_groups(output: str) -> list[int]:
    with open_table(join(output, MANIFEST_FILE)) as table:
        return list(range(table.num_row_groups))


def _report(output: str, rows: list[ShardRow], found: Iterable[Found]) -> Validation:
    problems: dict[str, list[str]] = {}
    indexed = {row.shard for row in rows}
    for one in found:
        problems.setdefault(one.shard, []).extend(one.problems)
        if one.is_indexed:
            indexed.add(one.shard)
        else:
            indexed.discard(one.shard)
    result = sum_up(rows, (problems.get(row.shard, []) for row in rows))
    result.problems += check_folder(output, rows, indexed)
    return result


class _Stage(beam.DoFn):
    """A stage that opens stores as the submitter does."""

    def __init__(self, check: Check) -> None:
        self._check = check

    def setup(self) -> None:
        set_options(self._check.stores)


class _Rows(_Stage):
    """The rows of a row group of the manifest, by shard."""

    def process(self, group: int) -> Iterator[tuple[str, ShardRow]]:
        with open_table(join(self._check.output, MANIFEST_FILE)) as table:
            rows = table.read_row_group(group, columns=MANIFEST.names)
        for values in rows.to_pylist():
            yield values["shard"], ShardRow(**values)


class _Index(_Stage):
    """Shard -> what one file of the table of samples says of it."""

    def process(self, uri: str) -> Iterator[tuple[str, Indexed]]:
        with open_table(uri, ("shard", "key")) as table:
            yield from index_batches(table.iter_batches(columns=["shard", "key"], use_threads=False)).items()


class _CheckShard(_Stage):
    """Read one shard. Yields nothing for one without a problem."""

    def process(self, grouped: tuple[str, dict[str, Iterable[Any]]]) -> Iterator[Found]:
        shard, rows, indexed = grouped[0], list(grouped[1]["rows"]), list(grouped[1]["indexed"])
        if not rows:
            yield Found(shard)
        of_table = next(iter(indexed), None)
        for row in rows:
            problems = check_shard(self._check.output, row, of_table, self._check.decode)
            if problems or not indexed:
                yield Found(shard, tuple(problems), is_indexed=bool(indexed))


class _Write(_Stage):
    """Write the report."""

    def __init__(self, check: Check, path: str) -> None:
        super().__init__(check)
        self._path = path

    def process(self, found: list[Found]) -> None:
        write_bytes(self._path, json.dumps([vars(one) for one in found]).encode())
