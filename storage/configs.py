"""Configs from YAML files and ``field=value`` overrides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from schemas.config import Config
from schemas.errors import ConfigError
from schemas.overrides import with_overrides
from schemas.text import one_line
from schemas.yaml_text import MAX_BYTES, YamlError, read_yaml

C = TypeVar("C", bound="Config")


def load_config(cls: type[C], path: str | Path | None, overrides: Sequence[str] = ()) -> C:
    """Read a YAML file (or none), apply ``a.b=value`` overrides in order, validate.

    Raises ConfigError (one line) for an unreadable file, a bad override, an unknown or out-of-range field.
    """
    return cls.make(load_values(cls, path, overrides))


def load_values(cls: type[C], path: str | Path | None, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a YAML file (or none) and overrides set, as nested plain values that are not validated.

    Raises ConfigError as `load_config` does.
    """
    values = {} if path is None else _read_yaml(path)
    return with_overrides(cls, values, overrides)


def _read_yaml(path: str | Path) -> dict[str, Any]:
    from storage.read import open_uri  # fsspec is not needed for a help page, nor for overrides alone

    try:
        with open_uri(str(path), pipes=True) as stream:
            values = read_yaml(stream.read(MAX_BYTES + 1))
    except (OSError, YamlError) as error:
        raise ConfigError(f"config {path}: cannot be read: {one_line(error)}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"config {path}: the file must hold a mapping of fields, not {type(values).__name__}"
        )
    return values
