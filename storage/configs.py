"""Configs from YAML files and ``field=value`` overrides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from schemas.config import Config
from schemas.errors import ConfigError
from schemas.text import one_line
from storage.read import open_uri

C = TypeVar("C", bound="Config")


def load_config(cls: type[C], path: str | Path | None, overrides: Sequence[str] = ()) -> C:
    """Read a YAML file (or none), apply ``a.b=value`` overrides in order, validate.

    Raises ConfigError (one line) for an unreadable file, a bad override, an unknown or out-of-range field.
    """
    values: dict[str, Any] = {}
    if path is not None:
        values = _read_yaml(path)
    for text in overrides:
        _apply_override(values, text)
    return cls.make(values)


def _read_yaml(path: str | Path) -> dict[str, Any]:
    try:
        with open_uri(str(path), "rb") as stream:
            values = yaml.safe_load(stream)
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"config {path}: cannot be read: {one_line(error)}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"config {path}: the file must hold a mapping of fields, not {type(values).__name__}"
        )
    return values


def _apply_override(values: dict[str, Any], text: str) -> None:
    name, equals, raw = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"override {text!r}: write it as field=value, e.g. seed=7")
    try:
        value = yaml.safe_load(raw) if raw != "" else ""
    except yaml.YAMLError:
        value = raw  # a glob such as *.tar is not YAML, but it is a fine string
    if isinstance(value, dict) and not raw.lstrip().startswith("{"):
        value = raw  # "gs: x" style accidents: only {…} means a mapping
    *parents, leaf = name.split(".")
    where = values
    for parent in parents:
        inner = where.get(parent)
        if not isinstance(inner, dict):
            inner = {}
            where[parent] = inner
        where = inner
    where[leaf] = value
