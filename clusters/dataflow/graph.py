"""Check the graph of the job: GPUs under one stage only, and no image bytes in the shuffles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor
from apache_beam.transforms.resources import AcceleratorHint

from pipelines.running.remote.staging import staged_files
from pipelines.template import build
from zoetrope.samples import write_folder
from zoetrope.template import parse

ACCELERATOR = "type:nvidia-l4;count:1;install-nvidia-driver"
MAKE = "Shards/Make"  # the stage that renders
SHUFFLED = {"Task"}  # a Task holds references and no image bytes
# With --dry_run DataflowRunner builds the job and submits nothing.
OPTIONS = (
    "--runner=DataflowRunner",
    "--project=dry-run",
    "--region=us-central1",
    "--temp_location=gs://dry-run/tmp",
    "--staging_location=gs://dry-run/staging",
    "--sdk_container_image=dry-run/zoetrope",
    "--sdk_location=container",
    "--experiments=use_runner_v2",
    "--job_name=dry-run",
    "--no_auth",
    "--dry_run=True",
)


def check_graph(scratch: Path) -> Iterator[str]:
    """Yield a line per fault of the graph that DataflowRunner builds."""
    pipeline, _ = build_job(scratch, OPTIONS)
    yield from graph_faults(pipeline)


def build_job(scratch: Path, options: Sequence[str]) -> tuple[beam.Pipeline, Any]:
    """Build the template's job over a small corpus in `scratch`, with `options` for Beam.

    Returns the pipeline and the job that DataflowRunner made of it.
    """
    corpus = write_folder(scratch / "corpus", 4, long_side=64)
    config, accelerator, beam_args = parse(
        [
            f"--output={scratch}/clips",
            "--source_kind=folder",
            f"--source_uri={corpus}",
            f"--accelerator={ACCELERATOR}",
            *options,
        ]
    )
    pipeline = beam.Pipeline(options=PipelineOptions(beam_args))
    build(pipeline, config, published="2026-01-01", accelerator=accelerator)
    with staged_files():
        result: Any = pipeline.run()
    return pipeline, result.job


def graph_faults(pipeline: beam.Pipeline) -> Iterator[str]:
    """Yield a line per fault: a GPU hint on a wrong stage, or a wrong type in a shuffle."""
    components = pipeline.to_runner_api().components
    hinted = [step.unique_name for step in components.transforms.values() if _has_gpu(components, step)]
    if hinted != [MAKE]:
        yield f"the GPU hint must be on {MAKE} only; it is on {hinted}"
    visitor = _Shuffles()
    pipeline.visit(visitor)
    if not visitor.types or not SHUFFLED.issuperset(visitor.types.values()):
        yield f"the shuffles must carry {' or '.join(sorted(SHUFFLED))}; they carry {visitor.types}"


class _Shuffles(PipelineVisitor):
    """Collect the element type of each reshuffle below `Shards`."""

    def __init__(self) -> None:
        self.types: dict[str, str] = {}

    def enter_composite_transform(self, transform_node: AppliedPTransform) -> None:
        label = transform_node.full_label
        if isinstance(transform_node.transform, beam.Reshuffle) and label.startswith("Shards"):
            kind = transform_node.inputs[0].element_type
            self.types[label] = getattr(kind, "__name__", str(kind))


def _has_gpu(components: Any, step: Any) -> bool:
    """Is this a leaf of the graph whose environment asks for an accelerator?"""
    if step.subtransforms or not step.environment_id:
        return False
    hints = components.environments[step.environment_id].resource_hints
    return bool(hints.get(AcceleratorHint.urn))
