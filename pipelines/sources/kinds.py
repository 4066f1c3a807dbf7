"""Kinds of sources: a table per command maps names to classes; your own is ``module:Class``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, cast

from pydantic import BaseModel

from schemas.plugins import is_plugin
from schemas.text import nearest_hint

EVERYWHERE = ("kind", "limit")  # fields of every kind


@dataclass(frozen=True)
class Kind:
    """A built-in kind of source: its class, imported when it is used, and the config fields that it reads."""

    path: str  # module:Class
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


class SourceFields(Protocol):
    """The fields that the `source` section of every command has."""

    KINDS: ClassVar[Mapping[str, Kind]]

    @property
    def kind(self) -> str:
        """The name of a built-in kind, or ``module:Class``."""
        ...

    @property
    def limit(self) -> int | None:
        """The number of inputs to read; None for all."""
        ...

    @property
    def options(self) -> dict[str, Any]:
        """Settings of a user's own class."""
        ...


def check_fields(config: BaseModel) -> None:
    """Check the fields of a `source` section: its kind's required ones are set, ones without effect are not.

    Every field may be set for a user's own class. Raises ValueError.
    """
    fields = cast("SourceFields", config)
    if is_plugin(fields.kind):
        return
    if fields.kind not in fields.KINDS:
        raise ValueError(
            f"kind = {fields.kind!r} is none of {', '.join(fields.KINDS)}, or module:Class"
            f"{nearest_hint(fields.kind, fields.KINDS)}"
        )
    kind = fields.KINDS[fields.kind]
    for name in kind.required:
        if not getattr(config, name):
            raise ValueError(f"{name} is required for kind {fields.kind}: give source.{name}=...")
    allowed = {*EVERYWHERE, *kind.required, *kind.optional}
    for name in type(config).model_fields:
        if name not in allowed and getattr(config, name):
            raise ValueError(f"{name} has no effect for kind {fields.kind}: remove source.{name}")
