"""What can be said of the Dataflow job without an account: its graph, its hints, its wheel, its image's recipe.

python -m clusters.dataflow        (make dataflow-dry-run)
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor

ROOT = Path(__file__).parents[1]
HADOLINT = ROOT / ".cache" / "engines" / "hadolint" / "bin" / "hadolint"
HINT = "type:nvidia-l4;count:1;install-nvidia-driver"
OPTIONS = (
    "--runner=DataflowRunner", "--project=dry-run", "--region=us-central1", "--temp_location=gs://dry-run/tmp",
    "--staging_location=gs://dry-run/staging", "--sdk_container_image=dry-run/zoetrope", "--sdk_location=container",
    "--experiments=use_runner_v2", "--job_name=dry-run", "--no_auth", "--dry_run=True",
)  # fmt: skip


def main() -> int:
    """Print one line a check; 1 if any is not as it must be."""
    problems = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, check in (("graph", check_graph), ("wheel", check_wheel), ("Dockerfile", check_dockerfile)):
            found = list(check(Path(scratch)))
            print(f"{name}: {'well' if not found else '; '.join(found)}")
            problems += found
    return 1 if problems else 0


def check_graph(scratch: Path) -> Iterator[str]:
    """Through DataflowRunner itself with --dry_run: it builds the job and submits nothing. Then the proto is looked at."""
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.transforms.resources import AcceleratorHint

    from pipelines.template import build, parse
    from zoetrope.samples import write_folder

    corpus = write_folder(scratch / "corpus", 4, long_side=64)
    parameters = [
        f"--output={scratch}/clips",
        "--source_kind=folder",
        f"--source_uri={corpus}",
        f"--accelerator={HINT}",
    ]
    config, accelerator, beam_args = parse([*parameters, *OPTIONS])
    pipeline = beam.Pipeline(options=PipelineOptions(beam_args))
    build(pipeline, config, published="2026-01-01", accelerator=accelerator)
    pipeline.run()
    components = pipeline.to_runner_api().components
    hinted = [s.unique_name for s in _leaves(components) if _hint(components, s, AcceleratorHint.urn)]
    if hinted != ["Shards/Make"]:
        yield f"the GPU hint stands on {hinted}, not on Shards/Make alone"
    crossing = _Shuffled()
    pipeline.visit(crossing)
    if crossing.types != {"Shards/Spread": "Task", "Shards/Checkpoint": "Attempt"}:
        yield f"what crosses a shuffle is {crossing.types}, not Tasks and Attempts alone"


class _Shuffled(PipelineVisitor):
    """The element type of whatever is reshuffled; a Task holds references, an Attempt names."""

    def __init__(self) -> None:
        self.types: dict[str, str] = {}

    def enter_composite_transform(self, transform_node: AppliedPTransform) -> None:
        if isinstance(transform_node.transform, beam.Reshuffle) and transform_node.full_label.startswith(
            "Shards"
        ):
            kind = (
                transform_node.main_inputs["None"]
                if "None" in transform_node.main_inputs
                else transform_node.inputs[0]
            )
            self.types[transform_node.full_label] = getattr(
                kind.element_type, "__name__", str(kind.element_type)
            )


def _leaves(components: Any) -> list[Any]:
    return [step for step in components.transforms.values() if not step.subtransforms]


def _hint(components: Any, step: Any, urn: str) -> bool:
    return (
        bool(components.environments[step.environment_id].resource_hints.get(urn))
        if step.environment_id
        else False
    )


def check_wheel(scratch: Path) -> Iterator[str]:
    """Every module of the workers is importable from the built wheel, with no checkout in sight."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    done = _run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(scratch), str(ROOT)])
    wheels = list(scratch.glob("zoetrope-*.whl"))
    if not wheels:
        yield f"no wheel: {done}"
        return
    target = scratch / "installed"
    _run([*pip, "install", "--no-deps", "--no-index", "--target", str(target), str(wheels[0])])
    names = [
        ".".join(path.relative_to(target).with_suffix("").parts).removesuffix(".__init__")
        for package in ("pipelines", "schemas", "transforms")
        for path in sorted((target / package).rglob("*.py"))
    ]
    code = (
        f"import sys, importlib; sys.path.insert(0, {str(target)!r})\n"
        f"for name in {names!r}:\n"
        f"    assert importlib.import_module(name).__file__.startswith({str(target)!r}), name\n"
    )
    told = _run([sys.executable, "-I", "-c", code], cwd=scratch)
    if told:
        yield f"a module of the wheel cannot be imported: {told}"


def check_dockerfile(scratch: Path) -> Iterator[str]:
    """hadolint, where it could be had, and what it cannot know: no root, files that are there, the SDK as in the lock."""
    if HADOLINT.exists():
        command = [str(HADOLINT), str(ROOT / "docker" / "Dockerfile")]
        done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - our own command
        yield from done.stdout.splitlines()
    text = (ROOT / "docker" / "Dockerfile").read_text()
    lines = [
        line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")
    ]
    known = {"FROM", "SHELL", "ENV", "RUN", "COPY", "USER", "ENTRYPOINT"}
    for line in lines:
        word = line.split()[0]
        if word not in known:
            yield f"{word}: not an instruction that is used here"
        if word == "FROM" and ":" not in line.split()[1]:
            yield f"{line}: no tag"
        if (
            word == "RUN"
            and "apt-get install" in line
            and ("--no-install-recommends" not in line or "rm -rf" not in line)
        ):
            yield "apt-get install without --no-install-recommends, or its lists left behind"
        if word == "COPY" and "--from" not in line and not (ROOT / line.split()[1]).exists():
            yield f"{line}: no such file"
    if [line for line in lines if line.startswith("USER")][-1:] in ([], ["USER root"]):
        yield "the image runs as root"
    locked = re.search(
        r"^apache-beam(?:\[\w+\])?==([\d.]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE
    )
    if locked and f"sdk:{locked[1]} " not in text:
        yield f"the harness is not of Beam {locked[1]}, as in requirements.lock"


def _run(command: list[str], cwd: Path | None = None) -> str:
    """The last line of what it complained about; "" if it did not."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)  # noqa: S603 - our own arguments
    lines = done.stderr.strip().splitlines()
    return (lines[-1] if lines else f"exit {done.returncode}") if done.returncode else ""


if __name__ == "__main__":
    sys.exit(main())
