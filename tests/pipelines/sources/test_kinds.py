import pytest

from pipelines.sources.base import Source, make_source
from pipelines.sources.config import SourceConfig
from pipelines.sources.kinds import check_fields
from pipelines.sources.videos.base import VideoSource
from pipelines.sources.videos.config import VideoSourceConfig
from schemas.errors import ConfigError
from schemas.plugins import find_plugin

TABLES = [SourceConfig, VideoSourceConfig]
KINDS = [(config, kind) for config in TABLES for kind in config.KINDS]


@pytest.mark.parametrize(("config", "kind"), KINDS)
def test_every_kind_names_a_source_and_fields_that_exist(config, kind) -> None:
    entry = config.KINDS[kind]
    assert issubclass(
        find_plugin(entry.path, "source.kind"), VideoSource if config is VideoSourceConfig else Source
    )
    assert {*entry.required, *entry.optional} <= config.model_fields.keys()
    values = dict.fromkeys(entry.required, "a")
    made = make_source(
        config.make(
            {"kind": kind, "annotations": "a", **values}
            if "annotations" in (*entry.required, *entry.optional)
            else {"kind": kind, **values}
        ),
        shard_samples=5,
    )
    assert (made.config.kind, made.shard_samples) == (kind, 5)


@pytest.mark.parametrize("config", TABLES)
def test_unknown_kinds_and_fields_without_effect_are_errors(config) -> None:
    nearest = next(iter(config.KINDS))
    with pytest.raises(ConfigError, match=f"the nearest is {nearest}"):
        config.make({"kind": nearest + "x"})
    for kind, entry in config.KINDS.items():
        defaults = {name: config.model_fields[name].default for name in entry.optional}
        values = defaults | dict.fromkeys(entry.required, "a")
        with pytest.raises(ConfigError, match=f"options has no effect for kind {kind}"):
            config.make(
                {**values, "kind": kind, "annotations": "a", "options": {"x": 1}}
                if "annotations" in config.KINDS[kind].required + config.KINDS[kind].optional
                else {**values, "kind": kind, "options": {"x": 1}}
            )


@pytest.mark.parametrize("config", TABLES)
def test_a_class_of_ones_own_may_read_every_field(config) -> None:
    own = config.make({"kind": "module:Class", "annotations": "a", "limit": 3, "options": {"x": 1}})
    check_fields(own)
    assert own.options == {"x": 1}
