"""Overrides: ``field=value`` of a command line, where the field's type decides how the value is read.

A text field takes the text as it is, so that ``output=set #7`` and ``output=2024`` name folders. Only lists
and mappings are read as YAML.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from schemas.config import Config, field_annotation
from schemas.errors import ConfigError
from schemas.yaml_text import YamlError, read_yaml

_YES, _NO = ("true", "yes", "on"), ("false", "no", "off")


def with_overrides(cls: type[Config], values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Nested plain values with each ``a.b=value`` applied in order.

    `cls` has the fields. Raises ConfigError.
    """
    out = dict(values)
    for text in overrides:
        name, equals, raw = text.partition("=")
        if not equals or not name:
            raise ConfigError(f"override {text!r}: write it as field=value, e.g. seed=7")
        *parents, leaf = name.split(".")
        where = out
        for depth, parent in enumerate(parents, start=1):
            where[parent] = _as_mapping(where.get(parent), field_annotation(cls, ".".join(parents[:depth])))
            where = where[parent]
        where[leaf] = _read(name, raw, field_annotation(cls, name))
    return out


def _as_mapping(value: Any, annotation: Any) -> dict[str, Any]:
    """The mapping that an override of one of its fields changes.

    A type with more than one written form says how its value is a mapping, by `as_mapping`.
    """
    own = getattr(annotation, "as_mapping", None)
    if own is not None:
        return dict(own(value))
    if isinstance(value, Mapping):
        return dict(value)
    return {}


def _read(name: str, raw: str, annotation: Any) -> Any:
    """The value of one override.

    Text that fits no type of the field stays text, and validation names the field.
    """
    kinds = _kinds(annotation)
    if raw.lstrip().startswith(("[", "{")) and kinds != {str}:
        try:
            return read_yaml(raw)
        except YamlError as error:
            # A glob such as [ab]*.tar is text. For other types an open bracket is a mistake.
            if str not in kinds:
                raise ConfigError(f"{name}={raw[:80]}: not a list or mapping in YAML: {error}") from None
    if raw == "null" and type(None) in kinds:
        return None
    if str in kinds:
        return raw
    return _scalar(raw, kinds)


def _scalar(raw: str, kinds: set[Any]) -> Any:
    """A number, true or false if the text is one and the field takes it."""
    anything = Any in kinds
    if (anything or bool in kinds) and raw.lower() in (*_YES, *_NO):
        return raw.lower() in _YES
    for number in (int, float):
        if anything or kinds & {int, float}:
            with suppress(ValueError):
                return number(raw)
    return raw


def _kinds(annotation: Any) -> set[Any]:
    """The plain types that a field takes: str, int, float, bool, None, list, dict or Any."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is None or annotation is Any:  # unknown, or inside a free mapping
        return {Any}
    if origin in (typing.Union, types.UnionType):
        return set().union(*map(_kinds, args))
    if origin is typing.Annotated:
        return _kinds(args[0])
    if origin is typing.Literal:
        return {type(value) for value in args}
    if origin is not None:
        return {dict if issubclass(origin, Mapping) else list}
    return {annotation}
