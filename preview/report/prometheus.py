"""`metrics.prom`: the figures of the last run in Prometheus' text exposition format 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/ describes the format. All metrics are gauges, for
the textfile collector of node_exporter or a push to a gateway: the run has ended when they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pipelines.result import RunResult
from storage.uris import join
from storage.write import write_bytes

FILE = "metrics.prom"
STAGE = re.compile(r"(\w+)_us_(mean|max)")
Sample = tuple[Mapping[str, str], float]


def write_metrics(result: RunResult, ended: float) -> str:
    """Write the figures of a run into its output. `ended` is in seconds since the epoch. Returns the path."""
    path = join(result.output, FILE)
    write_bytes(path, metrics_text(result, ended).encode())
    return path


def metrics_text(result: RunResult, ended: float) -> str:
    """The figures of a run: of its output, of the run alone, and seconds per stage."""
    totals, output = result.totals, {"output": result.output}
    reasons = [({**output, "reason": reason}, count) for reason, count in sorted(totals.reasons.items())]
    run_failed = [
        ({**output, "reason": name.removeprefix("failed_")}, count)
        for name, count in sorted(result.counters.items())
        if name.startswith("failed_")
    ]
    return "".join(
        (
            _metric("output_samples", "Samples in the output.", [(output, totals.written)]),
            _metric("output_shards", "Shards in the output.", [(output, len(totals.shards))]),
            _metric("output_bytes", "Bytes of all shards of the output.", [(output, totals.bytes)]),
            _metric("output_inputs", "Inputs of the output, written or failed.", [(output, totals.inputs)]),
            _metric("output_failures", "Failed inputs of the output by reason.", reasons),
            _metric("run_samples", "Samples that the last run wrote.", [(output, result.written)]),
            _metric("run_bytes", "Bytes that the last run wrote.", _one(output, result.counters, "bytes")),
            _metric("run_failures", "Inputs that failed in the last run by reason.", run_failed),
            _metric("run_seconds", "Wall time of the last run.", [(output, result.seconds)]),
            _metric("run_exit_code", "Exit code of the last run.", [(output, result.exit_code)]),
            _metric("run_end_timestamp_seconds", "End of the last run, Unix time.", [(output, ended)]),
            _metric("stage_seconds_mean", "Mean seconds of a stage per call.", _stages(result, "mean")),
            _metric("stage_seconds_max", "Longest call of a stage in seconds.", _stages(result, "max")),
        )
    )


def _one(output: Mapping[str, str], counters: Mapping[str, int | float], name: str) -> list[Sample]:
    if name not in counters:
        return []
    return [(output, counters[name])]


def _stages(result: RunResult, kind: str) -> list[Sample]:
    found: list[Sample] = []
    for name, value in sorted(result.counters.items()):
        match = STAGE.fullmatch(name)
        if match and match[2] == kind:
            found.append(({"output": result.output, "stage": match[1]}, value / 1e6))
    return found


def _metric(name: str, about: str, samples: Iterable[Sample]) -> str:
    lines = [f"zoetrope_{name}{{{_labels(labels)}}} {value!r}\n" for labels, value in samples]
    if not lines:
        return ""
    return f"# HELP zoetrope_{name} {about}\n# TYPE zoetrope_{name} gauge\n{''.join(lines)}"


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
