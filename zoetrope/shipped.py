"""The configs that are installed with the packages: ``--config coco`` names configs/animate/coco.yaml."""

from __future__ import annotations

from pathlib import Path

from schemas.errors import ConfigError
from schemas.text import nearest_hint

# They are next to this package, in a checkout and in an installed wheel alike.
FOLDER = Path(__file__).parents[1] / "configs"

USED_BY = {  # folder of configs -> what takes them
    "animate": "`zoetrope animate`",
    "import": "`zoetrope import-videos`",
    "train": "`zoetrope train`",
    "eval": "`zoetrope evaluate`",
    "lab": "`zoetrope lab`",
    "runners": "--runner-config",
}


def find_config(name: str, kind: str, option: str = "--config") -> str:
    """Return the file for a name: a path or URI as it is, a plain word as the shipped config of this kind.

    A file of exactly this name in the current folder comes first. The path of a shipped config in a checkout,
    ``configs/animate/coco.yaml``, names it also where there is no checkout. Raises ConfigError for an unknown
    word.
    """
    path = Path(name)
    if path.is_file():
        return name
    shipped_path = FOLDER.parent / path
    if path.parts[:1] == (FOLDER.name,) and shipped_path in _files(path.parent.name):
        _check_kind(name, kind, [path.parent.name], option)
        return str(shipped_path)
    if "/" in name or path.suffix in (".yaml", ".yml"):
        return name
    shipped = {path.stem: path for path in _files(kind)}
    if name not in shipped:
        _check_kind(name, kind, [other for other in USED_BY if name in shipped_names(other)], option)
        raise ConfigError(
            f"{option} {name}: no such file, and no shipped config of this name; "
            f"shipped are {', '.join(shipped)}{nearest_hint(name, shipped)}"
        )
    return str(shipped[name])


def _check_kind(name: str, kind: str, found: list[str], option: str) -> None:
    """Raise ConfigError if the shipped config of this name is for other commands."""
    if found and kind not in found:
        users = " and ".join(USED_BY[other] for other in found)
        raise ConfigError(f"{option} {name}: a config of {users}; {USED_BY[kind]} takes another")


def shipped_names(kind: str) -> list[str]:
    """Return the names of the shipped configs of a kind, in order."""
    return [path.stem for path in _files(kind)]


def _files(kind: str) -> list[Path]:
    return sorted((FOLDER / kind).glob("*.yaml"))
