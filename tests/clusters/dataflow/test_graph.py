"""The check of the graph finds a GPU hint on a wrong stage, and image bytes in a shuffle."""

from __future__ import annotations

import apache_beam as beam

from clusters.dataflow.graph import ACCELERATOR, check_graph, graph_faults


def test_the_job_has_no_faults(tmp_path):
    assert list(check_graph(tmp_path)) == []


def test_a_shuffle_of_bytes_and_a_hint_on_every_stage_are_faults():
    pipeline = beam.Pipeline()
    tasks = pipeline | beam.Create([b"picture"]).with_output_types(bytes)
    _ = tasks | "Shards/Spread" >> beam.Reshuffle().with_resource_hints(accelerator=ACCELERATOR)
    found = "\n".join(graph_faults(pipeline))
    assert "the GPU hint must be on Shards/Make only" in found
    assert "they carry {'Shards/Spread': 'bytes'}" in found
