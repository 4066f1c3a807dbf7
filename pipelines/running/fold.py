"""The Beam stage that folds records into parts of the tables, once the tasks of this run are made.

It runs on the workers of a cluster. A job on this machine folds at its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import apache_beam as beam

from pipelines.making.task import output_error
from pipelines.output.folder import Output
from pipelines.output.tables.fold import fold_part
from pipelines.output.tables.parts import Part
from pipelines.running.graph import JobSpec
from storage.login import set_options

Keyed = tuple[int, Part | None]


class FoldParts(beam.PTransform):
    """(tasks that are done, parts to fold) -> the indexes of the parts that are folded."""

    def __init__(self, spec: JobSpec, size: int) -> None:
        """`size` is the number of tasks in a part."""
        super().__init__()
        self._spec, self._size = spec, size

    def expand(self, inputs: tuple[beam.PCollection[int], beam.PCollection[Part]]) -> beam.PCollection[int]:
        """Group the parts with their tasks, which waits for these, and fold each part on some worker."""
        done, parts = inputs
        made = done | "Part of task" >> beam.Map(_of_task, self._size).with_output_types(Keyed)
        due = parts | "Part by index" >> beam.Map(_by_index).with_output_types(Keyed)
        grouped = (made, due) | beam.Flatten() | "When made" >> beam.GroupByKey()
        return grouped | "Fold" >> beam.ParDo(_Fold(self._spec)).with_output_types(int)


def _of_task(task: int, size: int) -> Keyed:
    return task // size, None


def _by_index(part: Part) -> Keyed:
    return part.index, part


class _Fold(beam.DoFn):
    def __init__(self, spec: JobSpec) -> None:
        self._spec = spec

    def setup(self) -> None:
        set_options(self._spec.stores)

    def process(self, keyed: tuple[int, Iterable[Part | None]]) -> Iterator[int]:
        output = Output(self._spec.output)
        for part in keyed[1]:
            if part is not None:
                try:
                    fold_part(output, part)
                except OSError as error:
                    raise output_error(error, output.uri) from error
                yield part.index
