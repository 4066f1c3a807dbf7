"""`zoetrope configs`: the configs that are installed with Zoetrope, and the text of one, to start from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from schemas.errors import ConfigError
from schemas.text import nearest_hint
from zoetrope.arguments import Parser
from zoetrope.help_layout import fitted
from zoetrope.shipped import FOLDER, USED_BY, shipped_names

SENTENCE = re.compile(r".+?\.(?=\s|$)")
EXAMPLES = """examples:
  zoetrope configs
  zoetrope configs coco
  zoetrope configs train/debug > mine.yaml

Each begins with a comment: what it is, the command, what it costs, what to expect. --config takes the name of
a shipped config, or a file of yours."""


def main(argv: Sequence[str]) -> int:
    """The command. Raises ConfigError for an unknown or ambiguous name."""
    args = _parser().read(argv)
    if args.name is None:
        print(fitted("\n".join(_listing())))
    else:
        print(find(args.name).read_text(encoding="utf-8"), end="")
    return 0


def find(name: str) -> Path:
    """Return the shipped config of a name such as ``coco``, ``train/debug`` or ``configs/train/debug.yaml``.

    Raises ConfigError.
    """
    kind, _, stem = name.removeprefix(f"{FOLDER.name}/").removesuffix(".yaml").rpartition("/")
    known = [f"{each}/{found}" for each in USED_BY for found in shipped_names(each)]
    fitting = [each for each in known if each == f"{kind}/{stem}" or (not kind and each.endswith(f"/{stem}"))]
    if len(fitting) > 1:
        raise ConfigError(f"{name}: there are {' and '.join(fitting)}; name one of them")
    if not fitting:
        names = [*known, *(each.partition("/")[2] for each in known)]
        raise ConfigError(
            f"{name}: no shipped config of this name{nearest_hint(name, names)}; "
            "`zoetrope configs` lists them"
        )
    return FOLDER / f"{fitting[0]}.yaml"


def about(path: Path) -> str:
    """Return the first sentence of a config's comment."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.removeprefix("#").strip()
        if not line.startswith("#") or not text:
            break
        lines.append(text.removeprefix("What").strip())
    found = SENTENCE.match(" ".join(lines))
    if found is None:
        return " ".join(lines)
    return found[0]


def _listing() -> list[str]:
    lines = []
    for kind, user in USED_BY.items():
        names = shipped_names(kind)
        lines.append(f"{kind}: {user}")
        width = max(map(len, names))
        lines += [f"  {name:{width}}  {about(FOLDER / kind / f'{name}.yaml')}" for name in names]
        lines.append("")
    return lines[:-1]


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope configs",
        description="List the configs that are installed with Zoetrope, by the command that takes them, or "
        "print one.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="print this one, e.g. coco, or eval/msvd where names repeat"
    )
    return parser
