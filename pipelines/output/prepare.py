"""Before a job makes anything: check that it may write to the output, and clear what a killed run has
left.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date
from typing import Any

from pipelines.output.commit import clean
from pipelines.output.folder import STATE, Output, task_of
from pipelines.output.job import Job, differences, is_of_source
from pipelines.output.lost import forget_lost
from pipelines.output.records import done_tasks
from schemas.errors import ConfigError
from schemas.manifest import FAILURES_FILE, MANIFEST_FILE, SAMPLES_FILE
from schemas.text import counted
from storage.find import list_names
from storage.write import remove_file, remove_tree

LOG = logging.getLogger(__name__)
TABLES = (MANIFEST_FILE, SAMPLES_FILE, FAILURES_FILE)
PAGES = (
    "sizes.json",
    "wids.json",
    "config.yaml",
    "README.md",
    "croissant.json",
    "report.html",
    "report.json",
)


def check_output(output: Output, job: Job, *, overwrite: bool) -> None:
    """Raise ConfigError for an output that holds foreign files, another job, or a job with another config."""
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
    if not differing:
        return
    where = f"output {output.uri}: begun with another config: {'; '.join(differing)}"
    if all(name.startswith("source") for name in differing):
        raise ConfigError(
            f"{where}; `zoetrope retry {output.uri}` makes its failed inputs again from the source as it "
            "is now; "
            "or give another output, or overwrite=true"
        )
    raise ConfigError(f"{where}; give the same config, another output, or overwrite=true")


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


def prepare_output(output: Output, job: Job, *, overwrite: bool) -> str:
    """Under the lock: finish and clear what a killed run has left, and write the config. Overwriting removes
    all of ours.

    Returns the ISO date on which the output was begun.
    """
    clean(output)
    if overwrite and output.is_ours():
        remove_ours(output)
    lost = forget_lost(output)
    if lost:
        named = ", ".join(map(str, lost[:5])) + (", ..." if len(lost) > 5 else "")
        LOG.warning(f"shards of {counted(len(lost), 'task')} are gone or cut off (task {named})")
    output.remove_strays(done_tasks(output))
    before = output.read_job() if output.is_ours() else {}
    published = str(before.get("published") or date.today().isoformat())
    job_file = {
        "kind": job.kind,
        "config": job.config,
        "identity": job.identity,
        "fingerprint": job.fingerprint,
    }
    output.write_job({**job_file, "published": published})
    return published


def remove_ours(output: Output) -> None:
    """Remove the files of an earlier job from the output; foreign files stay. The config is removed last."""
    for name in list(list_names(output.uri)):
        if task_of(name) is not None or name in TABLES or name in PAGES:
            remove_file(output.path(name))
    for name in ("retries", "records"):
        remove_tree(output.state(name))
    for name in ("finished.json", "plan.json", "config.json"):
        remove_file(output.state(name))
