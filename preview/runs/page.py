"""The page of runs: curves of all of them side by side. It needs no other file and asks no server."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Sequence
from importlib import resources
from typing import Any

from preview.report.page import make_environment
from preview.runs.read import Run
from preview.runs.summary import best_metrics, differences, series_names
from schemas.errors import ConfigError
from schemas.text import one_line
from storage.write import write_bytes
from trainer.retrieval.scores import lower_is_better

POINTS = 400  # of a curve; more are means of neighbours
DIGITS = 6  # of a number on the page
# Values by the part of the page that shows them; metrics of retrieval have their own, the rest is "Other".
GROUPS = {
    "Loss": ("loss", "contrastive", "global", "tab", "match", "distill", "negatives", "grad_norm"),
    "Speed": ("samples_per_s", "data_wait", "prepare", "memory_gb", "mfu", "eta_s"),
}
NOT_DRAWN = ("samples", "epoch")  # straight lines


def write_page(path: str, runs: Sequence[Run]) -> None:
    """Write the page, whole or not at all. Raises ConfigError if it cannot be written."""
    page = render(runs, time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))
    try:
        write_bytes(path, page.encode("utf-8", "replace"))
    except OSError as error:
        raise ConfigError(f"output {path} cannot be written: {one_line(error)}") from None


def render(runs: Sequence[Run], made: str) -> str:
    """Return the page; `made` says when."""
    script = resources.files("preview").joinpath("assets", "runs.js").read_text("utf-8")
    # The policy names this script by its hash, so that no other text of the page can run.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        make_environment()
        .get_template("runs.html.j2")
        .render(
            runs=runs,
            made=made,
            metrics=best_metrics(runs),
            settings=differences(runs),
            script=script,
            digest=digest,
            data=_script_text({"runs": [_run(run) for run in runs], "groups": groups(runs)}),
        )
    )


def groups(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the parts of the page: a title, and the names of the values that it shows."""
    names = [name for name in series_names(runs) if name not in NOT_DRAWN]
    measured = [name for name in names if lower_is_better(name) is not None]
    parts = [("Evaluation", measured)]
    parts += [(title, [name for name in known if name in names]) for title, known in GROUPS.items()]
    shown = {name for _, of_part in parts for name in of_part}
    parts.append(("Other", [name for name in names if name not in shown]))
    return [{"title": title, "names": of_part} for title, of_part in parts if of_part]


def _run(run: Run) -> dict[str, Any]:
    series = {}
    for name, values in run.series.items():
        thin = values.thinned(POINTS)
        series[name] = [thin.steps.tolist(), [float(f"{value:.{DIGITS}g}") for value in thin.values]]
    return {"name": run.name, "batch": run.batch_size, "series": series}


def _script_text(values: Any) -> str:
    """Return JSON that cannot end the element that holds it."""
    text = json.dumps(values, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
