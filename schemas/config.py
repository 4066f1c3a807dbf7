"""Typed configs: every mistake is one line that names the field, its value and what is allowed.

A config is a frozen pydantic model that subclasses `Config`, next to the code that uses it. Ranges are given
as ``Field(ge=..., le=...)``, the unit and the meaning as ``description``. Nothing is read from the
environment.
"""

from __future__ import annotations

import hashlib
import json
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Self

import annotated_types
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from schemas.errors import ConfigError
from schemas.text import nearest

MAX_SHOWN = 200  # characters of a value in a message


class Config(BaseModel):
    """Base of every config: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)

    @classmethod
    def make(cls, values: Mapping[str, Any]) -> Self:
        """Validate nested plain values (as YAML gives them). Raises ConfigError with one line."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise ConfigError(_first_error(cls, error)) from None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON/YAML values, every default written out."""
        return self.model_dump(mode="json")


def fingerprint(config: Config, *, without: Iterable[str] = ()) -> str:
    """Sixteen hex digits over the config's values.

    The dotted fields in `without`, those that change no byte, are left out.
    """
    values = flatten(config.to_dict())
    dropped = tuple(without)
    kept = {k: v for k, v in values.items() if not any(k == d or k.startswith(d + ".") for d in dropped)}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """``{"a": {"b": 1}} -> {"a.b": 1}``; lists stay whole."""
    out: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            out.update(flatten(value, f"{prefix}{key}."))
        else:
            out[f"{prefix}{key}"] = value
    return out


def describe(cls: type[Config], prefix: str = "", optional: bool = False) -> list[str]:
    """One line per field for ``--help``: dotted name, type, allowed range, default, meaning with unit.

    `optional` says that the whole section `prefix` may be left out.
    """
    rows: list[str] = []
    for name, field in cls.model_fields.items():
        inner = _config_class(field.annotation)
        if inner is not None:
            may_be_left_out = optional or type(None) in _options(field.annotation)
            rows.extend(describe(inner, f"{prefix}{name}.", may_be_left_out))
            continue
        default = _required_in(prefix, optional)
        if not field.is_required():
            default = f"default {_plain(field.get_default(call_default_factory=True))}"
        kind, allowed = _type_name(field.annotation), _allowed(field)
        if allowed and not allowed.startswith("one of"):
            kind = f"{kind}, {allowed}"
        rows.append(f"  {prefix}{name}  ({kind}; {default})\n      {field.description or ''}")
    return rows


def _required_in(prefix: str, optional: bool) -> str:
    if optional:
        return f"required with other fields of {prefix.removesuffix('.')}"
    return "required"


_WORDS: dict[Any, str] = {
    int: "integer",
    float: "number",
    str: "text",
    bool: "true or false",
    type(None): "null",
}


def _config_class(annotation: Any) -> type[Config] | None:
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, Config):
            return option
    return None


def _entry_class(annotation: Any) -> type[Config] | None:
    """The config class of the entries, if this is a list of configs."""
    for option in _options(annotation):
        if typing.get_origin(option) is list:
            return _config_class(typing.get_args(option)[0])
    return None


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _options(annotation: Any) -> tuple[Any, ...]:
    """The members of a union; the annotation itself if it is none."""
    if _is_union(annotation):
        return typing.get_args(annotation)
    return (annotation,)


def _type_name(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return getattr(annotation, "type_in_words", "fields: " + ", ".join(annotation.model_fields))
    if annotation in _WORDS:
        return _WORDS[annotation]
    if typing.get_origin(annotation) is typing.Literal:
        return "|".join(_choices(annotation))
    if typing.get_origin(annotation) is typing.Annotated:
        return _type_name(typing.get_args(annotation)[0])
    if _is_union(annotation):
        return " or ".join(_type_name(a) for a in typing.get_args(annotation))
    args = typing.get_args(annotation)
    if typing.get_origin(annotation) is dict:
        return "mapping"
    if args and args[-1] is not Ellipsis and typing.get_origin(annotation) is tuple:
        return f"[{', '.join(_type_name(a) for a in args)}]"
    if args:
        return f"list of {_type_name(args[0])}"
    return getattr(annotation, "__name__", str(annotation))


def _choices(literal: Any) -> list[str]:
    """The values of a Literal as they are written on a command line."""
    return [str(value) or "''" for value in typing.get_args(literal)]


def _plain(value: Any) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    text = json.dumps(value, default=str)
    if len(text) <= 160:
        return text
    return f"a {'list' if isinstance(value, list) else 'mapping'} of {len(value)}"


def _allowed(field: FieldInfo) -> str:
    """The allowed values of a field in words; '' if any value of its type is allowed."""
    annotation = field.annotation
    options = _options(annotation)
    words = ["true, false"] if bool in options else []
    for option in options:
        if typing.get_origin(option) is typing.Literal:
            return "one of " + ", ".join([*words, *_choices(option)])
    low = high = ""
    for mark in field.metadata:
        if isinstance(mark, annotated_types.MinLen) and mark.min_length:
            low = f"length >= {mark.min_length}"
        for name, sign in (("ge", ">="), ("gt", ">")):
            if getattr(mark, name, None) is not None:
                low = f"{sign} {getattr(mark, name)}"
        for name, sign in (("le", "<="), ("lt", "<")):
            if getattr(mark, name, None) is not None:
                high = f"{sign} {getattr(mark, name)}"
    return " and ".join(part for part in (low, high) if part)


def _first_error(cls: type[Config], error: ValidationError) -> str:
    """One line for the mistake that explains the others.

    A required field that is missing is often misspelt as an unknown one.
    """
    errors = error.errors(include_url=False)
    first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
    loc = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        return _unknown_field(cls, loc, first["input"])
    where = ".".join(map(_cut, loc)) or cls.__name__
    if first["type"] == "missing":
        return f"{where} is required: give it in the config file or as {where}=..."
    if first["type"] == "value_error":
        message = first["msg"].removeprefix("Value error, ")
        if loc:
            return f"{where}: {message}"
        return message
    _, field, name = _locate(cls, loc)
    return f"{name or where} = {_short(first.get('input'))} is not allowed: it must be {_fits(first, field)}"


def _unknown_field(cls: type[Config], loc: list[str], value: Any) -> str:
    while isinstance(value, Mapping) and len(value) == 1:  # sorce.uri=x gives {"sorce": {"uri": "x"}}
        name, value = next(iter(value.items()))
        loc = [*loc, str(name)]
    owner, _, _ = _locate(cls, loc)
    loc = [_cut(part) for part in loc]
    where = ".".join(loc)
    known = list(flatten_names(cls))
    of_same_name = [name for name in known if name.rsplit(".", 1)[-1] == loc[-1]]
    in_a_list = any(part.isdecimal() for part in loc)
    near = None if in_a_list else nearest(where, known)
    near = near or nearest(loc[-1], of_same_name or owner.model_fields)
    if near:
        return f"unknown field {where}; the nearest known field is {near[0]}"
    return f"unknown field {where}; known fields: {', '.join(owner.model_fields)}"


def _fits(first: Any, field: FieldInfo | None) -> str:
    """The values that a field takes, in words."""
    if field is None:
        return str(first["msg"])
    allowed, wanted = _allowed(field), _type_name(field.annotation)
    if allowed.startswith("one of") or (allowed and first["type"].startswith(("greater_than", "less_than"))):
        return allowed
    if first["type"] == "string_type":
        wanted += " (in YAML, put it in quotes)"
    if allowed:
        return f"{wanted}, {allowed}"
    return wanted


def _short(value: Any) -> str:
    return _cut(repr(value))


def _cut(text: str) -> str:
    if len(text) <= MAX_SHOWN:
        return text
    return f"{text[:MAX_SHOWN]}..."


def flatten_names(cls: type[Config], prefix: str = "") -> Iterable[str]:
    """Every dotted field name of a config class."""
    for name, field in cls.model_fields.items():
        inner = _config_class(field.annotation)
        if inner is not None:
            yield from flatten_names(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def field_annotation(cls: type[Config], name: str) -> Any:
    """The type of a dotted field, None where no config class has it."""
    _, field, found = _locate(cls, name.split("."))
    if field is not None and found == name:
        return field.annotation
    return None


def _locate(cls: type[Config], loc: list[str]) -> tuple[type[Config], FieldInfo | None, str]:
    """The config class that owns the last known field of an error's path, that field, and its dotted name."""
    owner, field, name = cls, None, ""
    for part in loc:
        entry = None if field is None else _entry_class(field.annotation)
        if entry is not None and part.isdecimal():  # a place in a list of configs
            owner, name = entry, f"{name}.{part}"
            continue
        found = owner.model_fields.get(part)
        if found is None:
            break
        field, name = found, f"{name}.{part}" if name else part
        inner = _config_class(found.annotation)
        if inner is None and _entry_class(found.annotation) is None:
            break
        owner = inner or owner
    return owner, field, name
