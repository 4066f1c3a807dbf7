"""The job as one graph: the same bytes as `zoetrope animate`, hints where they belong, no pictures over a
shuffle.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor
from apache_beam.transforms.resources import AcceleratorHint
from job_manager import run_job_manager

from pipelines.output.folder import Output
from pipelines.running.engine import choose_runner
from pipelines.running.graph import JobSpec
from pipelines.running.remote.job import RemoteJob, keep, read_kept
from pipelines.template import _Plan, build
from schemas.manifest import SAMPLES_FILE
from storage.login import get_options, set_options
from storage.tables import iter_rows
from tests.pipelines.running.test_graph import leftovers, shards
from zoetrope.template import FIELDS, main, parse

ROOT = Path(__file__).parents[2]
L4 = "type:nvidia-l4;count:1;install-nvidia-driver"


@pytest.fixture
def parameters(corpora, tmp_path) -> list[str]:
    folder = corpora["folder"][0].partition("=")[2]
    return [
        f"--output={tmp_path}/clips",
        "--source_kind=folder",
        f"--source_uri={folder}",
        "--store=still",
        "--overrides=clip.size=64",
    ]


def test_the_same_bytes_as_the_command(parameters, tmp_path):
    from zoetrope import cli

    config, accelerator, beam_args = parse([*parameters, "--region=us-central1"])
    assert (accelerator, beam_args) == (None, ["--region=us-central1"])
    runner = choose_runner((), 1)
    with beam.Pipeline(runner=runner.runner, options=runner.options) as pipeline:
        build(pipeline, config, published="2026-01-01")
    fields = [f"{FIELDS[p[2:].partition('=')[0]]}={p.partition('=')[2]}" for p in parameters[1:4]]
    assert cli.main(["animate", *fields, "clip.size=64", f"output={tmp_path}/command"]) == 0
    assert shards(tmp_path / "clips")
    assert shards(tmp_path / "clips") == shards(tmp_path / "command")
    rows = [[*iter_rows(str(tmp_path / name), SAMPLES_FILE)] for name in ("clips", "command")]
    assert rows[0] == rows[1]
    assert Output(str(tmp_path / "clips")).read_state("plan.json") == {"tasks": 1}
    assert not leftovers(tmp_path / "clips")


def test_the_graph(parameters):
    """GPUs for the stage that renders alone; what passes a shuffle is tasks, whose type holds no bytes."""
    config, accelerator, _ = parse([*parameters, f"--accelerator={L4}"])
    pipeline = beam.Pipeline()
    build(pipeline, config, published="2026-01-01", accelerator=accelerator)
    proto = pipeline.to_runner_api()
    components = proto.components
    hinted = {
        step.unique_name
        for step in components.transforms.values()
        if not step.subtransforms
        and components.environments[step.environment_id].resource_hints.get(AcceleratorHint.urn)
        == L4.encode()
    }
    assert hinted == {"Shards/Make"}
    shuffles = [s for s in components.transforms.values() if s.spec.urn == "beam:transform:group_by_key:v1"]
    names = {step.unique_name.removesuffix("/GroupByKey") for step in shuffles}
    assert any("Spread" in name for name in names)
    others = {name for name in names if not any(word in name for word in ("Spread", "Count", "Config"))}
    assert others == {"Tables/When made"}, "the tables wait for the tasks; a task's commit waits for nothing"


def test_a_template_refuses_an_output_to_which_a_job_writes(parameters, capsys, tmp_path):
    output = Output(f"{tmp_path}/clips")
    with run_job_manager() as manager:
        manager.add("earlier", "RUNNING")
        keep(output, RemoteJob("FlinkRunner", "earlier", {"flink_master": manager.master}))
        assert main(parameters) == 2
    assert "FlinkRunner job earlier" in capsys.readouterr().err
    assert not (tmp_path / "clips" / "_zoetrope" / "plan.json").exists()


def test_the_workers_of_a_template_keep_the_id_of_their_job(parameters, monkeypatch, tmp_path):
    """Boot gives the id of the job to its workers. The output holds it until the job has finished."""
    monkeypatch.setenv("JOB_ID", "2026-01-01_job")
    config, _, _ = parse(parameters)
    place = {"project": "mine", "region": "us"}
    spec = JobSpec(config.output, "f" * 16, config.shard)
    assert list(_Plan(place, spec).process(config.to_dict()))
    output = Output(config.output)
    assert read_kept(output) == RemoteJob("DataflowRunner", "2026-01-01_job", place)
    runner = choose_runner((), 1)
    with beam.Pipeline(runner=runner.runner, options=runner.options) as pipeline:
        build(pipeline, config, published="2026-01-01", place=place)
    assert shards(tmp_path / "clips")
    assert read_kept(output) is None


def test_every_step_opens_stores_as_the_parameters_say(parameters, monkeypatch):
    """A worker starts without options: each step brings those that the launcher was given."""
    submitted = []
    monkeypatch.setattr(beam.Pipeline, "run", lambda pipeline: submitted.append(pipeline))
    given = {"s3": {"endpoint_url": "http://127.0.0.1:9"}}
    try:
        assert main([*parameters, "--s3_endpoint_url=http://127.0.0.1:9"]) == 0
        steps = {type(step).__name__: step for step in steps_of(submitted[0]) if hasattr(step, "_spec")}
        assert set(steps) == {"_Plan", "_Make", "_Fold", "_Finish"}
        for name in ("_Plan", "_Fold", "_Finish"):
            set_options({})
            pickle.loads(pickle.dumps(steps[name])).setup()
            assert get_options() == given, name
        assert steps["_Make"]._spec.stores == given
    finally:
        set_options({})


def steps_of(pipeline: beam.Pipeline) -> list[beam.DoFn]:
    found: list[beam.DoFn] = []

    class Visitor(PipelineVisitor):
        def visit_transform(self, node: AppliedPTransform) -> None:
            if isinstance(node.transform, beam.ParDo):
                found.append(node.transform.fn)

    pipeline.visit(Visitor())
    return found
