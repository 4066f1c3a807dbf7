"""The YAML at the head of README.md, by which `datasets` and the hub's viewer read the shards.

The features are written out. `datasets` would infer them from the first five samples, and drop or refuse
later ones with other fields in KEY.json. One builder reads all configs of a data set, so the tables are not
among them (huggingface.co/docs/hub/datasets-manual-configuration).
"""

from __future__ import annotations

from typing import Any

import yaml

from pipelines.output.pages.about import hub_license
from pipelines.output.pages.facts import Facts

CONFIG = "default"
SPLIT = "train"
SHARDS = "*.tar"
SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
UNITS = ("1K", "10K", "100K", "1M", "10M", "100M", "1B")


def front_matter(facts: Facts) -> str:
    """The YAML block with its marks, for the head of README.md."""
    values: dict[str, Any] = {"pretty_name": facts.name}
    if facts.about.license is not None:
        values |= hub_license(facts.about.license)
    values |= {
        "task_categories": ["text-to-video"],
        "tags": ["webdataset", "video", "text-video-retrieval", "zoetrope"],
        "size_categories": [size_category(facts.samples)],
        "configs": [{"config_name": CONFIG, "data_files": [{"split": SPLIT, "path": SHARDS}]}],
        "dataset_info": {"config_name": CONFIG, "features": features(facts)},
    }
    return f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}---\n"


def features(facts: Facts) -> list[dict[str, str]]:
    """The columns that `datasets` gives, each a name and a type.

    KEY.json is of the type json, for its fields differ from motion to motion.
    """
    columns = {**facts.media, "txt": "string", "json": "json", "__key__": "string", "__url__": "string"}
    return [{"name": name, "dtype": kind} for name, kind in columns.items()]


def size_category(samples: int) -> str:
    """The hub's word for a number of samples, such as ``10K<n<100K``."""
    if samples < SIZES[0]:
        return f"n<{UNITS[0]}"
    for least, most, bound in zip(UNITS, UNITS[1:], SIZES[1:], strict=False):
        if samples < bound:
            return f"{least}<n<{most}"
    return f"n>{UNITS[-1]}"
