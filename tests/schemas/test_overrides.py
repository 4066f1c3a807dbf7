"""Overrides: the text after ``=`` is the value, read by the type of its field."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import Field

from pipelines.config import AnimateConfig, ImportConfig
from schemas.config import Config
from schemas.errors import ConfigError
from schemas.overrides import with_overrides
from trainer.fit.config import TrainConfig
from trainer.retrieval.config import EvaluateConfig


class Part(Config):
    uri: str = ""
    deadline: float = 20.0


class Job(Config):
    output: str = ""
    note: str | None = "a"
    store: Literal["frames", "mp4"] = "frames"
    shards: str | list[str] = ""
    names: tuple[str, ...] = ()
    size: tuple[int, int] | int = 224
    seed: int = 0
    rate: float = Field(1.0, ge=0)
    rerank: bool | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    part: Part = Part()


def given(*overrides: str) -> dict[str, Any]:
    return with_overrides(Job, {}, overrides)


TEXTS = (
    *("set #7", "2024", "2024-01-05", "yes", "null", "1e3", "a: b", "[ab]*.tar", "{a,b}.tar", "'x'", " x "),
    *("~", "*.tar", "a=b", "C:\\clips", "0x10", "", "100%", "!x", "&a", "- a", "|", "é\u202e"),
)


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_field_takes_the_text_as_it_is(text):
    assert given(f"output={text}") == {"output": text}
    assert given(f"part.uri={text}") == {"part": {"uri": text}}


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("note=null", None),
        ("note=2024", "2024"),
        ("store=mp4", "mp4"),
        ("shards=[a, b]", ["a", "b"]),
        ("shards=2024", "2024"),
        ("shards=[0-9]*.tar", "[0-9]*.tar"),
        ("shards={0..9}.tar", "{0..9}.tar"),
        ("names=[x, 'y z']", ["x", "y z"]),
        ("names=module:f", "module:f"),
        ("size=[112, 224]", [112, 224]),
        ("size=112", 112),
        ("seed=010", 10),
        ("seed=x", "x"),
        ("rate=8", 8),
        ("rate=1e-4", 1e-4),
        ("rerank=no", False),
        ("rerank=True", True),
        ("rerank=null", None),
        ("rerank=maybe", "maybe"),
        ("options={a: 1}", {"a": 1}),
    ],
)
def test_other_fields_read_it_by_their_type(override, value):
    assert given(override) == {override.partition("=")[0]: value}


def test_later_overrides_win_and_the_values_given_stay_as_they_are():
    values = {"part": {"uri": "a", "deadline": 5}}
    assert with_overrides(Job, values, ["part.uri=b", "part.uri=c"]) == {"part": {"uri": "c", "deadline": 5}}
    assert values == {"part": {"uri": "a", "deadline": 5}}
    assert given("options.depth=3", "options.name=x", "options.on=true") == {
        "options": {"depth": 3, "name": "x", "on": True}
    }


@pytest.mark.parametrize("text", ["names=[a", "options={a", "size=[1,"])
def test_a_list_that_is_not_closed_is_one_line(text):
    with pytest.raises(ConfigError, match="not a list or mapping in YAML") as error:
        given(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["seed", "=3"])
def test_an_override_has_a_name_and_an_equals_sign(text):
    with pytest.raises(ConfigError, match="write it as field=value"):
        given(text)


def test_a_misspelt_section_is_an_unknown_field_and_not_a_missing_one():
    with pytest.raises(ConfigError) as error:
        AnimateConfig.make(
            with_overrides(AnimateConfig, {}, ["source.kind=folder", "sorce.uri=x", "output=y"])
        )
    assert str(error.value) == "unknown field sorce.uri; the nearest known field is source.uri"


@pytest.mark.parametrize("cls", [AnimateConfig, ImportConfig, TrainConfig, EvaluateConfig])
def test_a_config_written_as_overrides_is_the_same_config(cls):
    """Every default of a real config, written as a person would write it on a command line."""
    required = {
        AnimateConfig: ["source.kind=folder", "source.uri=2024", "output=set #7"],
        ImportConfig: ["source.kind=csv", "source.videos=v", "source.annotations=1", "output=set #7"],
        TrainConfig: ["data.shards=2024", "output=set #7", "max_steps=3"],
        EvaluateConfig: ["data.shards=2024", "checkpoint=7"],
    }[cls]
    config = cls.make(with_overrides(cls, {}, required))
    written = [f"{name}={text(value)}" for name, value in leaves(config.to_dict()) if value != {}]
    assert cls.make(with_overrides(cls, {}, [*required, *written])) == config


def leaves(values: dict[str, Any], prefix: str = ""):
    for name, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def text(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value)
