"""The YAML at the head of README.md, read by `datasets` itself."""

from __future__ import annotations

import pytest
import yaml

from pipelines.output.pages.about import DatasetConfig
from pipelines.output.pages.facts import Facts
from pipelines.output.pages.front_matter import features, front_matter, size_category

ANIMATED = {"store": "frames", "clip": {"frames": 3}, "encode": {"format": "webp"}}
VIDEOS = {"frames": {"max_frames": 2, "format": "png"}}


def facts(config, **about):
    return Facts("clips", config, [], 1200, 0, {}, "0.1.0", None, DatasetConfig.make(about))


def test_it_is_yaml_with_the_name_the_licence_and_the_shards():
    text = front_matter(facts(ANIMATED, name="Größe: 1 # two", license="cc-by-4.0"))
    assert text.startswith("---\n")
    assert text.endswith("---\n")
    values = yaml.safe_load(text.strip("-\n"))
    assert values["pretty_name"] == "Größe: 1 # two"
    assert values["license"] == "cc-by-4.0"
    assert values["size_categories"] == ["1K<n<10K"]
    assert values["configs"][0]["data_files"] == [{"split": "train", "path": "*.tar"}]


@pytest.mark.parametrize(
    ("config", "media"),
    [
        (ANIMATED, {"000.webp": "image", "001.webp": "image", "002.webp": "image"}),
        ({**ANIMATED, "store": "mp4"}, {"mp4": "video"}),
        ({**ANIMATED, "store": "still"}, {"jpg": "image"}),
        (VIDEOS, {"000.png": "image", "001.png": "image"}),
    ],
)
def test_datasets_reads_the_features_of_every_store(config, media):
    from datasets import Features

    found = Features._from_yaml_list(features(facts(config)))
    others = {"txt": "Value('string')", "json": "Json(decode=True)"}
    others |= dict.fromkeys(("__key__", "__url__"), "Value('string')")
    kinds = {name: type(kind).__name__.lower() for name, kind in found.items() if name in media}
    assert kinds == media
    assert {name: str(kind) for name, kind in found.items() if name not in media} == others


@pytest.mark.parametrize(
    ("samples", "word"),
    [(0, "n<1K"), (1_000, "1K<n<10K"), (12_400_000, "10M<n<100M"), (2_000_000_000, "n>1B")],
)
def test_the_size_is_a_word_of_the_hub(samples, word):
    assert size_category(samples) == word
