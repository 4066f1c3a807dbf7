"""croissant.json with every field given, validated by mlcroissant."""

from __future__ import annotations

import json

import pytest

from pipelines.output.pages.about import DatasetConfig
from pipelines.output.pages.croissant import croissant_json
from pipelines.output.pages.facts import Facts
from schemas.manifest import SAMPLES

ABOUT = {
    "name": "Photographs that move",
    "description": "Sample photographs, animated.",
    "license": "cc-by-4.0",
    "citation": "@misc{moving, title={Photographs that move}}",
    "url": "https://example.org/moving",
}


@pytest.mark.parametrize("sha256", ["0" * 64, None], ids=["one file", "a folder of files"])
def test_mlcroissant_finds_no_fault_and_the_given_values(tmp_path, sha256):
    import mlcroissant as mlc

    facts = Facts("clips", {}, [], 3, 0, {}, "0.1.0", sha256, DatasetConfig.make(ABOUT))
    path = tmp_path / "croissant.json"
    path.write_bytes(croissant_json(facts, published="2026-11-27"))
    metadata = mlc.Dataset(jsonld=str(path)).metadata
    assert not metadata.ctx.issues.errors
    assert not metadata.ctx.issues.warnings
    assert (metadata.name, metadata.description) == (ABOUT["name"], ABOUT["description"])
    assert (metadata.license, metadata.cite_as, metadata.url) == (
        [ABOUT["license"]],
        ABOUT["citation"],
        ABOUT["url"],
    )
    fields = {field.name: field.description for field in metadata.record_sets[0].fields}
    assert list(fields) == SAMPLES.names
    assert all(" " in meaning and meaning.endswith(".") for meaning in fields.values())


def test_what_is_not_given_is_left_out_or_the_source_s():
    facts = Facts("clips", {}, [], 3, 0, {}, "0.1.0", None)
    values = json.loads(croissant_json(facts, published="2026-11-27"))
    assert values["name"] == "clips"
    assert values["license"] == "the terms of the source of the pictures and captions"
    assert not {"citeAs", "url"} & set(values)
