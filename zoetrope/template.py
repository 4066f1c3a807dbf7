"""The launcher of the Dataflow Flex Template: a template's parameters in, the main job handed to Dataflow."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pipelines.config import AnimateConfig
from storage.configs import load_config
from zoetrope.cli import guarded

FIELDS = {  # a template's parameter -> the config field it sets; parameters of a template know no dots
    "output": "output",
    "source_kind": "source.kind",
    "source_uri": "source.uri",
    "source_annotations": "source.annotations",
    "source_images": "source.images",
    "store": "store",
}


def parse(argv: Sequence[str]) -> tuple[AnimateConfig, str | None, list[str]]:
    """Parameters of a template -> (config, accelerator, Beam's own arguments). Raises ConfigError."""
    parser = argparse.ArgumentParser(prog="zoetrope template", add_help=False, allow_abbrev=False)
    for name in (*FIELDS, "config", "overrides", "accelerator"):
        parser.add_argument(f"--{name}")
    known, beam_args = parser.parse_known_args(list(argv))
    given = [f"{field}={getattr(known, name)}" for name, field in FIELDS.items() if getattr(known, name)]
    config = load_config(AnimateConfig, known.config or None, [*given, *(known.overrides or "").split()])
    return config, known.accelerator or None, beam_args


def main(argv: Sequence[str], image: str | None = None) -> int:
    """Check, prepare the output and hand the job over. Exit codes as of `zoetrope animate`.

    `image` is the worker image where the parameters name none: the launcher's own.
    """
    return guarded("template", lambda: _launch(argv, image))


def _launch(argv: Sequence[str], image: str | None) -> int:
    from pipelines.running.remote.dataflow import with_defaults
    from pipelines.template import launch

    config, accelerator, beam_args = parse(argv)
    launch(config, with_defaults(beam_args, image), accelerator)
    return 0
