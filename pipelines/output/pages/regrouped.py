"""The pages of an output that `zoetrope merge` or `zoetrope split` made of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import yaml

from pipelines.output.pages.about import DatasetConfig
from pipelines.output.pages.croissant import croissant_json
from pipelines.output.pages.facts import Facts
from pipelines.output.pages.readme import readme_md
from schemas.manifest import SAMPLES_FILE, ShardRow
from schemas.version import VERSION
from schemas.yaml_text import YamlError, read_documents
from storage.read import read_bytes, sha256_of
from storage.uris import join, name_of

CONFIG_FILES = ("config.yaml", "configs.yaml")  # of one config, and of several as YAML documents


def configs_of(outputs: Sequence[str]) -> list[dict[str, Any]]:
    """The different configs of outputs; outputs without one are left out."""
    found: list[dict[str, Any]] = []
    for output in outputs:
        for values in _read_configs(output):
            is_config = isinstance(values, dict) and ("store" in values or "frames" in values)
            if is_config and values not in found:
                found.append(values)
    return found


def _read_configs(output: str) -> list[Any]:
    """The documents of the first of CONFIG_FILES that is there and can be read."""
    for name in CONFIG_FILES:
        try:
            return read_documents(read_bytes(join(output, name)))
        except (FileNotFoundError, YamlError):
            continue
    return []


def pages(
    uri: str, configs: Sequence[Mapping[str, Any]], shards: Sequence[ShardRow], reasons: Mapping[str, int]
) -> dict[str, bytes]:
    """README.md, croissant.json and the configs; nothing if no config says what the shards hold.

    The licence and so on are those of the first output.
    """
    if not configs:
        return {}
    facts = Facts(
        folder=name_of(uri),
        config=configs[0],
        shards=shards,
        samples=sum(row.samples for row in shards),
        failed=sum(reasons.values()),
        reasons=reasons,
        version=VERSION,
        samples_sha256=sha256_of(join(uri, SAMPLES_FILE)),
        about=DatasetConfig.make({**(configs[0].get("dataset") or {}), "name": None}),
        others=configs[1:],
        is_run=False,
    )
    published = date.today().isoformat()
    found = {"README.md": readme_md(facts), "croissant.json": croissant_json(facts, published=published)}
    documents = [dict(values) for values in configs]
    text = yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True)
    found[CONFIG_FILES[len(documents) > 1]] = text.encode()
    return found
