"""The tasks of an output planned again, for a retry: from the source as it is now, without what is new."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pipelines.output.folder import Output
from pipelines.output.growth.inputs import InputsWriter, read_segments, segments_of
from pipelines.output.job import Job
from pipelines.output.listing import Listing
from pipelines.sources.growth.known import Known
from schemas.errors import ConfigError
from schemas.records import Task


def known_job(output: Output, job: Job, listing: Listing) -> Job:
    """Return the job with only the tasks of its earlier plan, without inputs that are new.

    Returns the job as it is if the output has no marks of its inputs. Raises ConfigError if the source of an
    output that has grown has changed in another way than by new inputs.
    """
    source = job.source
    if source is None or not source.can_grow or not listing.inputs:
        return job
    known = Known(tuple(read_segments(output, listing.inputs)), 0, strict=False, grows=False)

    def tasks() -> Iterator[Task]:
        return source.plan_from(known)

    try:
        counts = sum(1 for _ in tasks())
    except ConfigError:
        if len(known.segments) > 1:
            raise
        return job
    if counts != sum(segment.tasks for segment in known.segments):
        return job
    return replace(job, tasks=tasks)


def mark_again(output: Output, job: Job, listing: Listing) -> None:
    """Write the marks of all segments as the source is now: a repaired input may have another size."""
    names = [name for name in listing.inputs if segments_of([name])]  # a file manager may add others
    tasks = job.tasks()
    for (first, count), name in zip(segments_of(names), sorted(names), strict=True):
        writer = InputsWriter(output, first)
        for _ in range(count):
            task = next(tasks, None)
            if task is not None:
                writer.add(task)
        writer.keep([name])
