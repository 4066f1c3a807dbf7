"""One argument style for every command: --config, FIELD=VALUE, --dry-run, --runner-config, -v, -q, --."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

from schemas.config import Config, describe, flatten_names
from schemas.errors import ConfigError
from schemas.text import nearest_hint, one_line
from schemas.yaml_text import MAX_BYTES, read_yaml
from storage.configs import load_config
from zoetrope.help_layout import HelpLayout
from zoetrope.messages import set_json_lines, set_verbosity
from zoetrope.shipped import find_config

MISSING = "the following arguments are required:"
EXAMPLE = re.compile(r"^examples:\n  (.*[^\\])$", re.MULTILINE)


class Parser(argparse.ArgumentParser):
    """An argument parser whose usage errors are ConfigErrors. Every command takes -v and -q."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", HelpLayout)
        options.setdefault("allow_abbrev", False)
        super().__init__(**options)
        self._fields: set[str] = set()
        self._bare = ""
        self._help_of_all = self.epilog
        # Hidden until there are fields: without them, all of the help is the help.
        self._help_all = self.add_argument("--help-all", action=_HelpAll, nargs=0, help=argparse.SUPPRESS)
        self.add_argument(
            "-v", "--verbose", action="count", default=0, help="more messages, and the traceback of an error"
        )
        self.add_argument("-q", "--quiet", action="count", default=0, help="warnings and errors alone")
        self.add_argument(
            "--log-json", action="store_true", help="messages as JSON lines: time, level, event, fields"
        )

    @property
    def field_names(self) -> list[str]:
        """The fields that FIELD=VALUE may set, sorted."""
        return sorted(self._fields)

    def error(self, message: str) -> NoReturn:
        """Raises ConfigError, with an example for a missing argument or the option nearest to an unknown."""
        if message.startswith(MISSING):
            message = f"{MISSING} {', '.join(self._required())}{self._example()}"
        raise ConfigError(f"{message}{self._hint(message)}; see {self.prog} --help")

    def read(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse the arguments, in any order, and apply -v and -q. Raises ConfigError."""
        if self._subparsers is not None:
            args = self.parse_args(argv)
        else:
            args = self.parse_intermixed_args(argv)
        set_verbosity(args.verbose, args.quiet)
        self._check_words(args)
        if args.log_json:
            set_json_lines()
        return args

    def add_config(
        self,
        config: type[Config],
        file_help: str,
        field_help: str,
        main: Sequence[str] = (),
        words: str = "FIELD=VALUE",
        bare: str = "",
    ) -> None:
        """Add --config and FIELD=VALUE (`words` in the help), with the fields of this config.

        The help describes the fields of `main`, in this order, and --help-all describes all. `bare` is the
        field that a word without a field probably means, which the error proposes.
        """
        self._bare = bare
        self._fields = set(flatten_names(config))
        self.add_argument("--config", metavar="FILE", help=file_help)
        self.add_argument("overrides", nargs="*", metavar=words, help=field_help)
        rows = describe(config)
        self._help_of_all = "\n\n".join((self.epilog or "", "all fields:\n" + "\n".join(rows))).lstrip()
        if not main:
            self.epilog = self._help_of_all
        else:
            by_name = {row.split()[0]: row for row in rows}
            few = "\n".join(by_name[name] for name in main)
            more = f"--help-all describes all {len(rows)} fields."
            self.epilog = "\n\n".join((self.epilog or "", f"main fields:\n{few}", more)).lstrip()
        self._help_all.help = "show this help with every field"

    def format_help_of_all(self) -> str:
        """Return the help with every field."""
        short, self.epilog = self.epilog, self._help_of_all
        try:
            return self.format_help()
        finally:
            self.epilog = short

    def add_output(self) -> None:
        """Add -o, the short form of output=."""
        self.add_argument("-o", "--output", metavar="DIR", help="where to write: the same as output=DIR")

    def add_runner(self) -> None:
        """Add --runner-config and --detach."""
        self.add_argument(
            "--runner-config",
            metavar="FILE",
            help="Beam options in a file, or the name of a shipped one, such as flink; without it, this "
            "machine",
        )
        self.add_argument(
            "--detach",
            action="store_true",
            help="exit as soon as a remote runner has the job; the same command attaches to it later",
        )

    def _check_words(self, args: argparse.Namespace) -> None:
        """Raise ConfigError for a word where the command takes fields alone."""
        if not self._bare:
            return
        for word in args.overrides:
            if "=" not in word:
                raise ConfigError(f"{word}: write it as FIELD=VALUE, e.g. {self._bare}={word}")

    def _required(self) -> list[str]:
        """Every required argument. argparse names the missing options first, then the missing others."""
        names = []
        for action in self._actions:
            if action.required and action.option_strings:
                names.append(action.option_strings[0])
            elif action.required:
                names.append(str(action.metavar or action.dest))
        return names

    def _example(self) -> str:
        """The first example of the help that is one line."""
        found = EXAMPLE.search(self._help_of_all or "")
        if found is None:
            return ""
        return f", as in `{found[1]}`"

    def _hint(self, message: str) -> str:
        """Name the nearest option or field for the first of the unrecognized arguments."""
        _, found, rest = message.partition("unrecognized arguments: ")
        written = rest.split(" ")[0].partition("=")[0]
        if not found or not written.startswith("-"):
            return ""
        field = written.lstrip("-").replace("-", "_")
        fields = {field} & self._fields or {name for name in self._fields if name.endswith(f".{field}")}
        if len(fields) == 1:
            return f"; it is a field: write {fields.pop()}=VALUE"
        return nearest_hint(written, self._option_string_actions)


class _HelpAll(argparse.Action):
    """Prints the help with every field."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        assert isinstance(parser, Parser)  # noqa: S101 - narrows the type
        print(parser.format_help_of_all(), end="")
        parser.exit()


C = TypeVar("C", bound=Config)


def read_config(cls: type[C], args: argparse.Namespace, kind: str) -> C:
    """The config of --config, a path or the name of a shipped config of this kind, with FIELD=VALUE.

    Raises ConfigError.
    """
    path = None
    if args.config is not None:
        path = find_config(args.config, kind)
    return load_config(cls, path, args.overrides)


def split_beam_args(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """The command's own arguments, and Beam's options, which follow ``--``."""
    arguments = list(argv)
    if "--" in arguments:
        at = arguments.index("--")
    else:
        at = len(arguments)
    return arguments[:at], arguments[at + 1 :]


def beam_options(runner_config: str | None, after_dashes: Sequence[str]) -> list[str]:
    """Beam's options in order: those of the file of --runner-config, then those that follow ``--``."""
    if runner_config is None:
        return list(after_dashes)
    return [*read_runner_config(find_config(runner_config, "runners", "--runner-config")), *after_dashes]


def read_runner_config(path: str) -> list[str]:
    """A YAML mapping of Beam's option names to values, as arguments.

    ``runner: FlinkRunner`` gives ``--runner=FlinkRunner``, ``true`` a flag, ``false`` nothing, and a list the
    option once per entry. Raises ConfigError if the file cannot be read or is no such mapping.
    """
    from storage.read import open_uri

    try:
        with open_uri(path, "r", pipes=True) as stream:
            values = read_yaml(stream.read(MAX_BYTES + 1))
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(f"--runner-config {path}: cannot be read: {one_line(error)}") from None
    if not isinstance(values, dict):
        raise ConfigError(
            f"--runner-config {path}: must be a mapping of Beam options, e.g. 'runner: FlinkRunner'"
        )
    return [option for name, value in values.items() for option in _as_options(path, name, value)]


def is_local(beam_args: Sequence[str]) -> bool:
    """Does the job run on this machine, in Beam's direct runner?"""
    return not any(argument.startswith("--runner") for argument in beam_args)


def _as_options(path: str, name: str, value: object) -> list[str]:
    found: list[str] = []
    items = [value]
    if isinstance(value, list):
        items = value
    for item in items:
        if isinstance(item, dict) or item is None:
            raise ConfigError(
                f"--runner-config {path}: {name} must be a text, a number, true, false, or a list of them"
            )
        if item is True:
            found.append(f"--{name}")
        elif item is not False:
            found.append(f"--{name}={item}")
    return found
