"""metrics.prom is valid by the text exposition format, read by a strict parser."""

from __future__ import annotations

import re

from pipelines.output.finish import Totals
from pipelines.result import RunResult
from preview.report.prometheus import metrics_text, write_metrics

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
LINE = re.compile(rf"({NAME})\{{({LABEL}(?:,{LABEL})*)\}} (-?[0-9.]+(?:e[+-]?[0-9]+)?)")


def parse(text: str) -> dict[tuple[str, str], float]:
    """Read the format strictly: HELP, TYPE and samples of one metric in a row, each metric once."""
    assert text.endswith("\n")
    values: dict[tuple[str, str], float] = {}
    current, seen = "", set[str]()
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            assert current not in seen
            seen.add(current)
            assert lines[number + 1] == f"# TYPE {current} gauge"
        elif not line.startswith("# TYPE "):
            match = LINE.fullmatch(line)
            assert match, line
            assert match[1] == current
            assert (match[1], match[2]) not in values
            values[match[1], match[2]] = float(match[3])
    return values


def result(output: str) -> RunResult:
    totals = Totals(3, 12, 9, 3, 9000, {"timeout": 2, "corrupt": 1})
    counters = {"bytes": 4000, "failed_timeout": 2, "decode_us_mean": 1500.0, "decode_us_max": 9000}
    return RunResult(output, totals, 4, 2, 5, 2.5, 1.0, "direct", (1.0, (4,)), counters)


def test_every_figure_is_there_with_escaped_labels():
    values = parse(metrics_text(result('a "b"\\c\nd'), 1.7e9))
    label = r'output="a \"b\"\\c\nd"'
    assert values["zoetrope_output_samples", label] == 9
    assert values["zoetrope_output_failures", f'{label},reason="timeout"'] == 2
    assert values["zoetrope_run_failures", f'{label},reason="timeout"'] == 2
    assert values["zoetrope_run_bytes", label] == 4000
    assert values["zoetrope_stage_seconds_mean", f'{label},stage="decode"'] == 0.0015
    assert values["zoetrope_run_end_timestamp_seconds", label] == 1.7e9


def test_the_file_is_written_into_an_output_of_any_store(tmp_path):
    import fsspec

    path = write_metrics(result(str(tmp_path)), 1.0)
    assert parse((tmp_path / "metrics.prom").read_text()) == parse(metrics_text(result(str(tmp_path)), 1.0))
    assert path == f"{tmp_path}/metrics.prom"
    write_metrics(result("memory://prom"), 1.0)
    assert fsspec.filesystem("memory").cat("/prom/metrics.prom").startswith(b"# HELP zoetrope_output_samples")
