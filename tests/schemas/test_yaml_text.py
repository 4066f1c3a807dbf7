"""YAML text: plain values, and bounds on what a few bytes can expand to."""

from __future__ import annotations

import datetime

import pytest
import yaml

from schemas.yaml_text import MAX_BYTES, YamlError, read_documents, read_yaml


def test_plain_values_are_as_yaml_has_them():
    text = "a: 1\nb: [x, 2.5, true, null]\nc: {d: 'e'}\n"
    assert read_yaml(text) == yaml.safe_load(text) == {"a": 1, "b": ["x", 2.5, True, None], "c": {"d": "e"}}
    assert read_yaml("&a [1]") == [1]
    assert read_yaml("") is None


def test_a_date_stays_text():
    assert isinstance(yaml.safe_load("2024-01-05"), datetime.date)
    assert read_yaml("2024-01-05") == "2024-01-05"


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join('*' + chr(97 + i) for _ in range(9))}]\n" for i in range(9)
)


MERGE_BOMB = "a0: &a0 {k: v}\n" + "".join(
    f"a{i}: &a{i}\n  <<: [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60)
)
WIDE_MERGE = "a: &a {" + ",".join(f"k{i}: v" for i in range(1000)) + "}\nb: {<<: [" + "*a," * 30_000 + "]}\n"


OBJECT = "!!python/object/apply:os.system ['true']"


@pytest.mark.parametrize(
    "text",
    ["a: [", "seed: " + "9" * 5000, "a: " + "[" * 5000, BOMB, OBJECT, b"\xff\x00", "a: &a [*a]", MERGE_BOMB,
     WIDE_MERGE, "a: &a {<<: *a}", "a: 1\n---\nb: 2\n", "#" * (MAX_BYTES + 1)],
)  # fmt: skip
def test_everything_else_is_one_line(text):
    with pytest.raises(YamlError) as error:
        read_yaml(text)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_a_date_is_text_and_an_impossible_one_is_an_error():
    assert read_yaml("output: 2024-05-06") == {"output": "2024-05-06"}
    with pytest.raises(YamlError, match="2020-99-99 looks like a date, and month must be in"):
        read_yaml("output: 2020-99-99")
    assert read_yaml("output: '2020-99-99'") == {"output": "2020-99-99"}


def test_merge_keys_are_merged():
    text = (
        "base: &base {seed: 1, store: mp4}\njob: {<<: *base, seed: 2}\nboth: {<<: [*base, {seed: 3, a: 4}]}\n"
    )
    assert read_yaml(text) == yaml.safe_load(text)
    assert read_yaml(text)["job"] == {"seed": 2, "store": "mp4"}


def test_several_documents_are_read_in_order():
    assert read_documents("a: 1\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]
    assert read_documents("") == []
    with pytest.raises(YamlError, match="expands to over 100000 values"):
        read_documents(f"a: 1\n---\n{BOMB}")
