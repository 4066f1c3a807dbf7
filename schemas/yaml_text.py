"""YAML text as plain values, with bounds on what a few bytes can expand to."""

from __future__ import annotations

from typing import Any

import yaml

from schemas.text import human_bytes

MAX_BYTES = 256 * 1024  # of a text; a config has a few kB, and PyYAML takes a second per 100 kB
MAX_VALUES = 100_000  # in one document, aliases and merge keys (``<<``) expanded
MERGE = "tag:yaml.org,2002:merge"


class YamlError(ValueError):
    """Text that is not usable YAML. The message is one line."""


class _Loader(yaml.SafeLoader):
    """SafeLoader with bounded merge keys, and a date stays text.

    No field holds a date, and folders are named by dates. PyYAML copies what a merge key merges: each level
    of ``b: {<<: [*a, *a]}`` doubles it.
    """

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Replace the merge keys of a mapping. Raises YamlError where that makes too many values."""
        values = len(node.value)
        for key, value in node.value:
            if key.tag == MERGE:
                values += sum(self._flattened(merged) for merged in _merged(value))
        if values > MAX_VALUES:
            raise YamlError(f"its merge keys (<<) expand to over {MAX_VALUES} values")
        super().flatten_mapping(node)

    def _flattened(self, node: yaml.Node) -> int:
        if not isinstance(node, yaml.MappingNode):
            return 0
        self.flatten_mapping(node)
        return len(node.value)


def _merged(value: yaml.Node) -> list[yaml.Node]:
    """The nodes that a merge key merges."""
    if isinstance(value, yaml.SequenceNode):
        return list(value.value)
    return [value]


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
    documents = read_documents(text)
    if len(documents) > 1:
        raise YamlError("it has several documents; remove all but one, and the lines ---")
    if not documents:
        return None
    return documents[0]


def read_documents(text: str | bytes) -> list[Any]:
    """The plain values of YAML documents. Raises as `read_yaml`."""
    if len(text) > MAX_BYTES:
        raise YamlError(f"it is larger than {human_bytes(MAX_BYTES)}")
    try:
        documents = list(yaml.load_all(text, _Loader))
        _count(documents, MAX_VALUES)
    except RecursionError:
        raise YamlError("it is nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise YamlError(" ".join(str(error).split())) from None
    return documents


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
