"""The short form of a job: `zoetrope animate pictures/ -o clips/`."""

from __future__ import annotations

import argparse
import logging
import re

from schemas.errors import ConfigError
from schemas.yaml_text import MAX_BYTES, read_yaml
from zoetrope.shipped import find_config

LOG = logging.getLogger(__name__)
FIELD = re.compile(r"[A-Za-z_][\w.]*=")  # how an override begins; what does not is an input
EXPANDED = 3  # inputs from which on a glob was probably expanded by the shell


def spelled_out(
    args: argparse.Namespace, *, guess: bool, example: str = "zoetrope animate pictures/ -o clips/"
) -> list[str]:
    """Return the overrides of a command, with -o and (with `guess`) its input as fields.

    The kind of source is guessed unless a config or a field gives it, and the guess is said in one line.
    Raises ConfigError if it is not clear, or if there are several inputs; `example` shows an input.
    """
    words: list[str] = args.overrides
    fields = [word for word in words if FIELD.match(word)]
    inputs = [word for word in words if not FIELD.match(word)]
    if args.output is not None:
        if any(field.startswith("output=") for field in fields):
            raise ConfigError("-o and output= both say where to write; give one of them")
        fields.append(f"output={args.output}")
    if not guess:
        return [*inputs, *fields]
    if not inputs:
        if args.config is None and not any(field.startswith("source") for field in fields):
            raise ConfigError(f"no input: give one, as in `{example}`")
        return fields
    if len(inputs) > 1:
        raise _too_many(inputs)
    (path,) = inputs
    for name in ("source.uri=", "source.annotations="):
        if any(field.startswith(name) for field in fields):
            raise ConfigError(f"{path} and {name[:-1]} both name the input; give one of them")
    return [*_source(path, _given_kind(args, fields), fields), *fields]


def _too_many(inputs: list[str]) -> ConfigError:
    """The error for several inputs, with what was probably meant."""
    more, hint = "", ""
    if len(inputs) >= EXPANDED:
        more, hint = ", ...", "; put a glob in quotes"
    elif inputs[0].lower().endswith(".json"):
        hint = f"; the pictures of captions are a field: source.images={inputs[1]}"
    return ConfigError(f"{len(inputs)} inputs ({inputs[0]}, {inputs[1]}{more}): give one{hint}")


def _source(path: str, kind: str | None, fields: list[str]) -> list[str]:
    if kind is not None:
        if kind == "coco":
            return [f"source.annotations={path}"]
        return [f"source.uri={path}"]
    images = any(field.startswith("source.images=") for field in fields)
    if images and path.lower().endswith(".json"):
        LOG.info(f"{path}: COCO captions (source.kind=coco)")
        return ["source.kind=coco", f"source.annotations={path}"]
    from pipelines.guess import guess_source

    guess = guess_source(path)
    LOG.info(f"{path}: {guess.reason} (source.kind={guess.kind})")
    return [f"source.{name}={value}" for name, value in guess.fields.items()]


def _given_kind(args: argparse.Namespace, fields: list[str]) -> str | None:
    """The kind that a field or the config file gives."""
    for field in fields:
        if field.startswith("source.kind="):
            return field.partition("=")[2]
    if args.config is None:
        return None
    from storage.read import open_uri

    try:
        with open_uri(find_config(args.config, "animate"), "r", pipes=True) as stream:
            values = read_yaml(stream.read(MAX_BYTES + 1))
        kind = values["source"]["kind"]
    except (OSError, ValueError, KeyError, TypeError):  # the config's own reader says what is wrong with it
        return None
    return str(kind)
