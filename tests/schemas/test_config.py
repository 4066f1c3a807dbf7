from typing import Literal

import pytest
from pydantic import Field

from schemas.config import Config, describe, fingerprint, flatten
from schemas.errors import ConfigError
from storage.configs import load_config


class Fetch(Config):
    deadline: float = Field(20.0, gt=0, le=600, description="seconds an image may take")
    retries: int = Field(2, ge=0, description="further tries")


class Job(Config):
    output: str = Field(description="where to write")
    store: Literal["frames", "mp4"] = Field("frames", description="what is stored")
    fetch: Fetch = Field(default_factory=Fetch)
    size: tuple[int, int] | int = Field(224, description="pixels")
    names: tuple[str, ...] = Field((), description="some names")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["output=a", "store=webm"], "store = 'webm' is not allowed: it must be one of frames, mp4"),
        (
            ["output=a", "fetch.deadlin=3"],
            "unknown field fetch.deadlin; the nearest known field is fetch.deadline",
        ),
        (["output=a", "deadline=3"], "unknown field deadline; the nearest known field is fetch.deadline"),
        (["output=a", "fetch.deadline=0"], "fetch.deadline = 0 is not allowed: it must be > 0 and <= 600"),
        (["output=a", "fetch.retries=x"], "fetch.retries = 'x' is not allowed: it must be integer, >= 0"),
        (["output=a", "fetch.retries=-1"], "fetch.retries = -1 is not allowed: it must be >= 0"),
        (["store=mp4"], "output is required: give it in the config file or as output=..."),
        (["seed"], "override 'seed': write it as field=value, e.g. seed=7"),
    ],
)
def test_mistakes_are_one_line_that_names_the_fix(overrides, message):
    with pytest.raises(ConfigError) as caught:
        load_config(Job, None, overrides)
    assert str(caught.value) == message


def test_help_says_what_an_optional_section_requires_and_shows_the_empty_choice():
    class Section(Config):
        name: str
        kind: Literal["", "TDB"] = ""

    class Whole(Config):
        section: Section | None = None

    shown = "\n".join(describe(Whole))
    assert "section.name  (text; required with other fields of section)" in shown
    assert "section.kind  (''|TDB; default" in shown


def test_fingerprint_sees_values_not_spelling():
    one, two = Job(output="a"), Job.make({"output": "b", "fetch": {"deadline": 20}})
    assert fingerprint(one) != fingerprint(two)
    assert fingerprint(one, without=["output"]) == fingerprint(two, without=["output"])
    assert fingerprint(one, without=["output", "fetch"]) == fingerprint(
        Job.make({"output": "b", "fetch": {"deadline": 1}}), without=["output", "fetch"]
    )


def test_help_lists_every_field_with_type_range_default_and_meaning():
    text = "\n".join(describe(Job))
    assert "fetch.deadline  (number, > 0 and <= 600; default 20.0)\n      seconds an image may take" in text
    assert "output  (text; required)" in text
    assert "store  (frames|mp4;" in text
    assert set(flatten(Job(output="a").to_dict())) == {
        "output",
        "store",
        "fetch.deadline",
        "fetch.retries",
        "size",
        "names",
    }


def test_a_name_of_megabytes_is_shown_in_part():
    with pytest.raises(ConfigError) as caught:
        Config.make({"a" * 5_000_000: 1})
    assert len(str(caught.value)) < 1000
