"""YAML text as plain values, with bounds on what a few bytes can expand to."""

from __future__ import annotations

from typing import Any

import yaml

MAX_VALUES = 100_000  # in one document, aliases expanded


class YamlError(ValueError):
    """Text that is not usable YAML. The message is one line."""


class _Loader(yaml.SafeLoader):
    """SafeLoader, except that a date stays text: no field holds a date, and folders are named by dates."""


def _date(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    try:
        loader.construct_yaml_timestamp(node)
    except ValueError as error:
        raise YamlError(f"{node.value} looks like a date, and {error}; quote it if it is a name") from None
    return str(node.value)


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _date)


def read_yaml(text: str | bytes) -> Any:
    """The plain value of one YAML document.

    Raises YamlError for anything else, and for a document that is too large.
    """
    try:
        value = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
        _count(value, MAX_VALUES)
    except RecursionError:
        raise YamlError("it is nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise YamlError(" ".join(str(error).split())) from None
    return value


def _count(value: Any, left: int) -> int:
    """The values that may still follow. An alias counts each time it is used."""
    if left <= 0:
        raise YamlError(f"it expands to over {MAX_VALUES} values")
    left -= 1
    if isinstance(value, dict):
        for item in value.values():
            left = _count(item, left)
    elif isinstance(value, list):
        for item in value:
            left = _count(item, left)
    return left
