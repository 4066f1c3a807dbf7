"""Check what Beam asks of Dataflow's workers: experiments, image, processes and threads per VM, disk.

The settings come from `configs/runners/dataflow.yaml` and from the Flex Template's launcher.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from clusters.dataflow.graph import build_job
from pipelines.running.remote.dataflow import DISK_GB, EXPERIMENTS, SERVICE_OPTIONS, THREADS, with_defaults
from zoetrope.arguments import read_runner_config

CONFIG = Path(__file__).parents[2] / "configs" / "runners" / "dataflow.yaml"
FILLED_IN = {"REGION": "us-central1", "PROJECT": "dry-run", "BUCKET": "dry-run", "REPOSITORY": "images"}
IMAGE = "us-central1-docker.pkg.dev/dry-run/images/zoetrope:0.1.0"
DRY_RUN = ("--job_name=dry-run", "--no_auth", "--dry_run=True")
# The service's own options, which a launcher passes on.
LAUNCHED = (
    "--runner=DataflowRunner",
    "--project=dry-run",
    "--region=us-central1",
    "--temp_location=gs://dry-run/tmp",
    "--staging_location=gs://dry-run/staging",
)


def check_environment(scratch: Path) -> Iterator[str]:
    """Yield a line per fault of the runner config and of the template's options."""
    for name, options in (
        ("dataflow.yaml", config_options()),
        ("template", with_defaults(LAUNCHED, IMAGE)),
    ):
        folder = scratch / name
        folder.mkdir()
        yield from (f"{name}: {fault}" for fault in faults(worker_settings(folder, options)))


def config_options(path: Path = CONFIG) -> list[str]:
    """Read the runner config as arguments, with the capital words filled in."""
    found = read_runner_config(str(path))
    for word, value in FILLED_IN.items():
        found = [argument.replace(word, value) for argument in found]
    return found


def worker_settings(scratch: Path, options: Sequence[str]) -> Any:
    """Build the job and return Dataflow's `Environment` message, as DataflowRunner would send it."""
    from apache_beam.runners.dataflow.internal.apiclient import Environment

    arguments = [*options, *DRY_RUN]
    _, job = build_job(scratch, arguments)
    made = Environment(
        proto_pipeline_staged_url="",
        packages=[],
        options=PipelineOptions(arguments),
        environment_version="1",
        proto_pipeline=job.proto_pipeline,
    )
    return made.proto


def faults(environment: Any) -> Iterator[str]:
    """Yield a line per setting with which workers would not start, or would fight for cores and GPUs."""
    experiments = set(environment.experiments)
    if missing := [name for name in EXPERIMENTS if name not in experiments]:
        yield f"experiments: {', '.join(missing)} missing"
    if "use_multiple_sdk_containers" in experiments:
        yield "experiments: use_multiple_sdk_containers starts one SDK process per core; remove it"
    if missing := [name for name in SERVICE_OPTIONS if name not in environment.service_options]:
        yield f"dataflow_service_options: {', '.join(missing)} missing"
    pool = environment.worker_pools[0]
    images = {image.container_image for image in pool.sdk_harness_container_images}
    if images != {IMAGE}:
        yield f"sdk_container_image: workers would run {', '.join(sorted(images))}, not {IMAGE}"
    if pool.num_threads_per_worker != THREADS:
        yield f"number_of_worker_harness_threads: {pool.num_threads_per_worker}; must be {THREADS}"
    if pool.disk_size_gb < DISK_GB:
        yield f"disk_size_gb: {pool.disk_size_gb} holds no image of the workers; must be at least {DISK_GB}"
