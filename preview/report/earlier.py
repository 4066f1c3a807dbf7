"""The reports of earlier runs of an output: a resume, a retry or a growth writes its own."""

from __future__ import annotations

from preview.report.report import HTML_FILE, JSON_FILE
from storage.folders import list_names
from storage.read import file_exists
from storage.uris import join
from storage.write import move_file

FOLDER = ("_zoetrope", "reports")


def keep_earlier(output: str) -> int | None:
    """Move the report of the last run to ``_zoetrope/reports/001.html`` and ``.json``, or a later number.

    Returns the number; None if there is no report. Raises OSError.
    """
    if not file_exists(join(output, HTML_FILE)):
        return None
    taken = [name.partition(".")[0] for name in list_names(join(output, *FOLDER))]
    number = max((int(stem) for stem in taken if stem.isdigit()), default=0) + 1
    for name in (JSON_FILE, HTML_FILE):
        ending = name.rpartition(".")[2]
        if file_exists(join(output, name)):
            move_file(join(output, name), join(output, *FOLDER, f"{number:03d}.{ending}"))
    return number
