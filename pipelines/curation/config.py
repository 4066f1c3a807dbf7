"""The `filters` field of a config: a list of built-in rules, by name, and of a user's own filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipelines.curation.filters import Entry, find_filter, takes_picture
from pipelines.curation.models import MODEL_RULES
from pipelines.curation.whole import WHOLE_RULES, WholeRule
from schemas.errors import ConfigError
from schemas.plugins import is_plugin
from schemas.text import nearest_hint
from transforms.curation.captions import CAPTION_RULES
from transforms.curation.pictures import PICTURE_RULES
from transforms.curation.rule import Rule, When

RULES: dict[str, type[Rule]] = {
    rule.name: rule for rule in (*CAPTION_RULES, *PICTURE_RULES, *MODEL_RULES, *WHOLE_RULES)
}
FORMS = "write a rule's name, {name: picture_blur, min: 100}, or module:name for your own"


def parse_filters(value: Any) -> tuple[Entry, ...]:
    """The entries of the field. Raises ConfigError, one line, with the nearest name or the allowed range."""
    if isinstance(value, str | Mapping):
        value = [value]
    if not isinstance(value, Iterable):
        raise ConfigError(f"{value!r} is no list of filters: {FORMS}")
    entries = tuple(_parse(entry) for entry in value)
    _check_labels(entries)
    return entries


def dump_filters(entries: Sequence[Entry]) -> list[Any]:
    """The plain values of the entries, every default written out."""
    plain: list[Any] = []
    for entry in entries:
        if isinstance(entry, Rule):
            plain.append(entry.to_entry())
        else:
            plain.append(entry)
    return plain


def check_filters(entries: Sequence[Entry]) -> None:
    """Check what the config alone cannot: files and a user's functions. Raises ConfigError."""
    for entry in entries:
        if isinstance(entry, str):
            find_filter(entry)
        else:
            entry.check()


def whole_rules(entries: Sequence[Entry]) -> tuple[WholeRule, ...]:
    """The rules over the whole input, in the order of the list."""
    return tuple(entry for entry in entries if isinstance(entry, WholeRule))


def surveyed(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The entries up to the last rule over the whole input: those that its pass calls."""
    last = max((place for place, entry in enumerate(entries) if isinstance(entry, WholeRule)), default=-1)
    return tuple(entries[: last + 1])


def needs_pictures(entries: Sequence[Entry]) -> bool:
    """Does any of them need the picture?"""
    return any(map(_needs_picture, entries))


def _needs_picture(entry: Entry) -> bool:
    if isinstance(entry, str):
        return takes_picture(entry)
    return entry.when > When.CAPTION


def check_whole(entries: Sequence[Entry], *, is_remote: bool) -> None:
    """Raise ConfigError for rules over the whole input that cannot be computed before the job."""
    before = surveyed(entries)
    if is_remote and needs_pictures(before):
        names = ", ".join(rule.name for rule in whole_rules(entries))
        raise ConfigError(
            f"filters: {names} with this list needs every picture before the first clip, and pictures behind "
            "URLs would be fetched twice: write tars of store=still first and animate those"
        )


def describe_filters(entries: Sequence[Entry]) -> str:
    """The filters in one line, for a plan."""
    return ", ".join(map(str, entries))


def _parse(value: Any) -> Entry:
    if isinstance(value, Rule):
        return value
    if isinstance(value, Mapping):
        values = dict(value)
        name = values.pop("name", None)
        if not isinstance(name, str):
            raise ConfigError(f"{dict(value)!r} has no name: {FORMS}")
        return _rule(name, values)
    if not isinstance(value, str):
        raise ConfigError(f"{value!r} is no filter: {FORMS}")
    if is_plugin(value):
        return value
    return _rule(value, {})


def _rule(name: str, values: Mapping[str, Any]) -> Rule:
    if name not in RULES:
        if is_plugin(name):
            raise ConfigError(f"{name} takes no fields: write it as {name}")
        raise ConfigError(
            f"{name!r} is no filter: there are {', '.join(RULES)}, and your own: write it as module:name"
            f"{nearest_hint(name, RULES)}"
        )
    try:
        return RULES[name].make(values)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None


def _check_labels(entries: Sequence[Entry]) -> None:
    labels = [entry if isinstance(entry, str) else entry.label for entry in entries]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise ConfigError(f"{twice} is there twice: remove one, or give each its own label if it takes one")
