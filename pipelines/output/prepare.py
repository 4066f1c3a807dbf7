"""Before a job makes anything: check that it may write to the output, and clear what a killed run left."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Any

from pipelines.output.commit import remove_temporary, settle_all
from pipelines.output.folder import STATE, Output, task_of
from pipelines.output.growth.plan import extends_last_task, may_grow, refusal
from pipelines.output.job import Job, differences, has_grown, is_of_source
from pipelines.output.listing import (
    PAGES,
    TABLE_FOLDERS,
    TABLES,
    Listing,
    is_finished,
    list_output,
    part_of_table,
)
from pipelines.output.lost import drop_emptied, forget_lost, forget_tasks, said_lost
from pipelines.output.records import done_tasks
from pipelines.output.retries import plan_files, read_retries
from pipelines.output.tables.parts import plan_parts, tasks_per_part
from schemas.errors import ConfigError
from schemas.text import counted
from storage.folders import is_local_folder, list_names
from storage.write import REMOVALS_AT_ONCE, remove_empty_folder, remove_file, remove_tree

LOG = logging.getLogger(__name__)


def check_output(output: Output, job: Job, *, overwrite: bool) -> None:
    """Raise ConfigError for an output that holds foreign files, another job, or a job with another config.

    And for one whose folders are links.
    """
    output.check_folders()
    if not output.is_ours():
        foreign = next((name for name in list_names(output.uri) if name != STATE), None)
        if foreign is not None:
            raise ConfigError(
                f"output {output.uri}: holds files that are not this job's ({foreign}, ...); give an "
                "empty or new folder"
            )
        return
    if overwrite:
        return
    before = output.read_job()
    if before.get("kind") != job.kind:
        raise ConfigError(
            f"output {output.uri}: made by `zoetrope {before.get('kind')}`; give another output, or "
            "overwrite=true"
        )
    differing = _differing(before.get("identity", {}), job)
    if not differing or may_grow(before, job):
        return
    if not has_grown(before.get("identity", {}), job.identity) or plan_files(output):
        raise refusal(output, differing)


def tasks_again(output: Output, job: Job) -> set[int]:
    """The tasks that a job makes again in an output that it extends: the last one of the earlier plan.

    A limit of the source may have cut it short. Empty for a job that extends nothing.
    """
    if not output.is_ours():
        return set()
    before = output.read_job()
    if not has_grown(before.get("identity", {}), job.identity):
        return set()
    if not extends_last_task(before, job, list_names(output.state("inputs")), bool(plan_files(output))):
        return set()
    # By the plan, not by the records: where this job was killed before, that task has none any more.
    done, plan = done_tasks(output), output.read_plan()
    if plan is None:
        return set(sorted(done)[-1:])
    first, tasks = plan.numbers()[-1]
    return done & {first + tasks - 1}


def _differing(before: Mapping[str, Any], job: Job) -> list[str]:
    """Differences that forbid to continue.

    A retry may follow a change of the source, which is its usual reason.
    """
    now = job.identity
    if job.is_retry:
        before = {name: value for name, value in before.items() if not is_of_source(name)}
        now = {name: value for name, value in now.items() if not is_of_source(name)}
    return differences(before, now)


def source_changes(output: Output, job: Job) -> list[str]:
    """Changes of the source since the output was begun, in words."""
    before = output.read_job().get("identity", {})
    now = {name: value for name, value in job.identity.items() if is_of_source(name)}
    return differences({name: value for name, value in before.items() if is_of_source(name)}, now)


@dataclass(frozen=True)
class Prepared:
    """An output that is ready for a job."""

    listing: Listing  # of what it holds
    before: Mapping[str, Any]  # the job that it holds, see `Output.read_job`; empty for a new output
    published: str  # ISO date on which it was begun

    def write_job(self, output: Output, job: Job) -> None:
        """Write the config and the identity of the job that is planned now."""
        output.write_job(
            {
                "kind": job.kind,
                "config": job.config,
                "identity": job.identity,
                "fingerprint": job.fingerprint,
                "published": self.published,
            }
        )


def prepare_output(output: Output, job: Job, *, overwrite: bool) -> Prepared:
    """Under the lock: finish and clear what a killed run has left. Overwriting removes all of ours.

    The job is not written yet: planning may refuse its source.
    """
    before: Mapping[str, Any] = {}
    listing = list_output(output)
    if overwrite and output.is_ours():
        remove_temporary(output, listing)
        remove_ours(output, listing)
        listing = Listing()
    else:
        if output.is_ours():
            before = output.read_job()
        # The order matters. A record without a byte cannot be read by what follows. Shards that count must
        # move before temporary files are removed. Only then does the listing show which shards are lost.
        _check_records(output, listing)
        drop_emptied(output, listing)
        settle_all(output, listing)
        remove_temporary(output, listing)
        size = tasks_per_part(job.config)
        forget_tasks(output, listing, tasks_again(output, job), read_retries(output, listing.retries), size)
        _forget_lost(output, listing, size)
        _remove_strays(output, listing)
    return Prepared(listing, before, str(before.get("published") or date.today().isoformat()))


def _check_records(output: Output, listing: Listing) -> None:
    """Raise ConfigError for a finished job whose folder of records is gone: its shards would be removed.

    A record that is removed alone has its task made again.
    """
    if is_finished(listing) and listing.shards and not listing.done:
        folder = output.state("records")
        if not is_local_folder(folder):
            raise ConfigError(
                f"output {output.uri}: {counted(len(listing.shards), 'shard')} without a record, because "
                f"{folder} is gone; restore it, or give overwrite=true to make the output again"
            )


def _forget_lost(output: Output, listing: Listing, size: int) -> None:
    retries = read_retries(output, listing.retries)
    lost = forget_lost(output, listing, plan_parts(listing.done, retries, size), retries, size)
    if lost:
        LOG.warning(said_lost(lost))


def _remove_strays(output: Output, listing: Listing) -> None:
    """Remove shards of tasks without a record: an earlier version was cut off while it committed them."""
    strays = [name for name in listing.shards if task_of(name) not in listing.done]
    _remove_files(output, strays)
    for name in strays:
        del listing.shards[name]


def remove_ours(output: Output, listing: Listing) -> None:
    """Remove the files of an earlier job from the output; foreign files stay. The config is removed last."""
    _remove_files(output, [*listing.shards, *(name for name in listing.files if _is_ours(name))])
    for folder in TABLE_FOLDERS:
        remove_empty_folder(output.path(folder))
    for name in ("retries", "inputs", "parts", "records", "reports", "curation"):
        remove_tree(output.state(name))
    # config.json marks the output as ours. While it is there, a removal that was cut off can be run again.
    for name in ("finished.json", "plan.json", "config.json"):
        remove_file(output.state(name))


def _remove_files(output: Output, names: Sequence[str]) -> None:
    with ThreadPoolExecutor(REMOVALS_AT_ONCE) as pool:
        list(pool.map(lambda name: remove_file(output.path(name)), names))


def _is_ours(path: str) -> bool:
    return path in TABLES or path in PAGES or part_of_table(path) is not None
