"""The pass over the whole input before a job makes anything: whether it is due, its tasks, and its end.

`survey_stages.py` has its stages.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from pipelines.curation.verdicts import FOLDER
from pipelines.output.folder import Output
from pipelines.output.job import Job, TaskAt, is_of_source, spool
from pipelines.running.survey_stages import PART, SurveySpec
from pipelines.sources.growth.known import digest
from storage.folders import first_name
from storage.write import create_file, remove_file, remove_tree

DONE, STARTED = f"{FOLDER}/done.json", f"{FOLDER}/started.json"


@dataclass(frozen=True)
class SurveyPlan:
    """The tasks of a pass."""

    path: str
    places: list[TaskAt]
    inputs: int
    exact: bool


def survey_due(job: Job, output: Output) -> bool:
    """Has a job rules over the whole input whose pass is not complete?"""
    if not job.whole or job.is_retry:
        return False
    return (output.read_state(DONE) or {}).get("fingerprint") != job.fingerprint


def survey_was_made(job: Job, output: Output) -> bool:
    """Was the pass of this job handed to a runner? Call it when what was handed in has ended well."""
    return (output.read_state(STARTED) or {}).get("fingerprint") == job.fingerprint


def finish_survey(job: Job, output: Output) -> None:
    """Note that the pass of this job is complete."""
    output.write_state(DONE, {"fingerprint": job.fingerprint})
    remove_file(output.state(STARTED))


def has_rows(output: Output) -> bool:
    """Has a pass written rows, from which the next one continues?"""
    return first_name(output.state(FOLDER, "rows")) is not None


def plan_survey(job: Job, output: Output) -> SurveyPlan:
    """Write the tasks of the whole input to a temporary file, and forget the verdicts of an earlier pass.

    The rows of an earlier pass stay, unless that was stopped before it was planned, and had other settings.
    """
    settings = digest({name: value for name, value in job.identity.items() if not is_of_source(name)})
    if not output.is_ours() and (output.read_state(STARTED) or {}).get("settings") != settings:
        remove_tree(output.state(FOLDER, "rows"))
    remove_file(output.state(DONE))
    output.write_state(STARTED, {"fingerprint": job.fingerprint, "settings": settings})
    remove_tree(output.state(FOLDER, "verdicts"))
    path = output.tmp(f"survey-{uuid.uuid4().hex}.jsonl")
    places, inputs, exact = [], 0, True
    with create_file(path) as stream:
        for task, place in spool(job.tasks(), stream, path):
            places.append(place)
            inputs += task.samples
            exact = exact and task.exact
    return SurveyPlan(path, places, inputs, exact)


def survey_spec(job: Job, output: Output, plan: SurveyPlan, signals: str | None) -> SurveySpec:
    """The settings of the stages of a pass."""
    return SurveySpec(output.state(FOLDER), job.whole, plan.inputs // PART + 1, signals)
