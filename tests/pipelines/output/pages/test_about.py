"""The `dataset` section: its mistakes, and licences as the hub names them."""

from __future__ import annotations

import pytest

from pipelines.output.pages.about import DatasetConfig, hub_license
from schemas.errors import ConfigError


@pytest.mark.parametrize(
    ("license_text", "fields"),
    [
        ("CC-BY-4.0", {"license": "cc-by-4.0"}),
        ("mit", {"license": "mit"}),
        ("Flickr's terms", {"license": "other", "license_name": "flickr-s-terms"}),
        (
            "https://example.org/terms",
            {"license": "other", "license_name": "see-link", "license_link": "https://example.org/terms"},
        ),
    ],
)
def test_a_licence_that_the_hub_does_not_know_is_named(license_text, fields):
    assert hub_license(license_text) == fields


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"url": "example.org"}, "must begin with https://"),
        ({"name": "two\nlines"}, "one line"),
        ({"licence": "mit"}, "nearest known field is license"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(values, message):
    with pytest.raises(ConfigError, match=message):
        DatasetConfig.make(values)
