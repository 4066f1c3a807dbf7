"""Where the data of a Hugging Face data set is: its form, split and subset, from names and small files.

There are three forms on disk. `save_to_disk` writes Arrow, with state.json, or dataset_dict.json above the
splits. A repository has Parquet files. The third is a folder of pictures with metadata.csv or metadata.jsonl.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from pipelines.sources.annotations.cells import as_list, as_mapping
from pipelines.sources.annotations.folder_tables import is_table
from pipelines.sources.config import SourceConfig
from pipelines.sources.folder import PICTURES
from schemas.errors import ConfigError
from schemas.text import nearest_hint, one_line
from schemas.yaml_text import YamlError, read_yaml
from storage.find import FileInfo, find, find_under
from storage.folders import folder_exists, list_names
from storage.read import file_exists, file_size, open_uri
from storage.uris import absolute, join, safe_relative

Form = Literal["arrow", "parquet", "pictures"]
STATE, SPLITS, README = "state.json", "dataset_dict.json", "README.md"
MAX_BYTES = 1024 * 1024  # of one of these
MAX_FRONT = 100_000  # characters of a front matter that are read as YAML
NAME = re.compile(r"(?:hf://datasets/)?([A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?)")
WORDS = {  # of paths, as `datasets` has them (data_files.py, SPLIT_KEYWORDS)
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
DEFAULT_SPLIT = "train"


@dataclass(frozen=True)
class Place:
    """The data of one split on disk."""

    form: Form
    files: tuple[FileInfo, ...]  # in the order of the rows; of a folder of pictures none
    root: str  # folder that relative paths of pictures start from
    split: str


def hub_name(uri: str) -> str | None:
    """The name of a data set on the hub; None for what is on disk or in a store."""
    found = NAME.fullmatch(uri)
    if found is None or (not uri.startswith("hf://") and folder_exists(uri)):
        return None
    return found[1]


def find_place(config: SourceConfig) -> Place:
    """Find the data of a data set on disk. Raises ConfigError if there is none, or it is not clear which."""
    root = absolute(config.uri or "").rstrip("/")
    if not folder_exists(root):
        raise ConfigError(
            f"source.uri: {config.uri}: no such folder; give a data set's folder, or USER/NAME on the hub"
        )
    names = list_names(root)
    if STATE in names:
        _refuse_subset(config)
        return Place("arrow", _arrow_files(root), root, config.split or DEFAULT_SPLIT)
    if SPLITS in names:
        _refuse_subset(config)
        splits = _json(join(root, SPLITS)).get("splits")
        split = _one_of(config.split, _texts(splits), "split", root)
        return Place("arrow", _arrow_files(join(root, split)), root, split)
    files = find_under(root)
    parquet = [file for file in files if file.path.endswith(".parquet")]
    if parquet:
        return _parquet(config, root, parquet)
    if any(is_table(file.path) or file.path.lower().endswith(PICTURES) for file in files):
        return _pictures(config, root, names)
    raise ConfigError(
        f"source.uri: {root}: no Hugging Face data set: it has neither {STATE}, {SPLITS}, *.parquet nor "
        "pictures"
    )


def is_saved(folder: str) -> bool:
    """Is it a folder that `save_to_disk` wrote?"""
    return any(file_exists(join(folder, name)) for name in (STATE, SPLITS))


def _arrow_files(folder: str) -> tuple[FileInfo, ...]:
    files = []
    for entry in _json(join(folder, STATE)).get("_data_files") or []:
        name = as_mapping(entry).get("filename")
        inside = None
        if isinstance(name, str):
            inside = safe_relative(name)
        size = None
        if inside is not None:
            size = file_size(join(folder, inside))
        if inside is None or size is None:
            raise ConfigError(f"source.uri: {join(folder, STATE)}: names {name!r}, which is not there")
        files.append(FileInfo(join(folder, inside), size))
    if not files:
        raise ConfigError(f"source.uri: {join(folder, STATE)}: names no data files; save the data set again")
    return tuple(files)


def _parquet(config: SourceConfig, root: str, files: list[FileInfo]) -> Place:
    described = _described(root)
    if described:
        subset = _subset(config, described, root)
        splits = {name: _matching(root, globs) for name, globs in described[subset].items()}
    else:
        splits = _by_words(root, _of_subset(config, root, files))
    split = _one_of(config.split, list(splits), "split", root)
    if not splits[split]:
        raise ConfigError(f"source.uri: {root}: {README} names files of split {split} that are not there")
    return Place("parquet", tuple(splits[split]), root, split)


def _described(root: str) -> dict[str, dict[str, list[str]]]:
    """Subset -> split -> globs, from the front matter of README.md; {} if it names no data files."""
    if not file_exists(join(root, README)):
        return {}
    with open_uri(join(root, README)) as stream:
        text = stream.read(MAX_BYTES).decode(errors="replace")
    if not text.startswith("---\n"):
        return {}
    front = text.split("\n---", 1)[0]
    if len(front) > MAX_FRONT:
        front = _configs_alone(front)
    if len(front) > MAX_FRONT:
        raise ConfigError(
            f"source.uri: {join(root, README)}: its 'configs' have over {MAX_FRONT} characters; give the "
            "folder of one subset"
        )
    try:
        values = read_yaml(front)
    except YamlError:
        return {}
    configs = as_mapping(values).get("configs")
    if not isinstance(configs, list):
        return {}
    found: dict[str, dict[str, list[str]]] = {}
    for entry in configs:
        if isinstance(entry, dict) and entry.get("data_files"):
            found[str(entry.get("config_name", "default"))] = _globs(entry["data_files"])
    return found


def _configs_alone(front: str) -> str:
    """The lines of `configs` in a long front matter: reading YAML takes a second per 100 kB."""
    kept: list[str] = []
    inside = False
    for line in front.split("\n"):
        if line[:1] not in (" ", "-", "#", "\t", ""):  # a field of the top level begins
            inside = line.startswith("configs:")
        if inside:
            kept.append(line)
    return "\n".join(kept)


def _globs(data_files: Any) -> dict[str, list[str]]:
    """``"*.parquet"``, a list of globs, or a list of ``{split, path}``."""
    splits: dict[str, list[str]] = {}
    for entry in as_list(data_files):
        split, paths = DEFAULT_SPLIT, entry
        if isinstance(entry, dict):
            split, paths = str(entry.get("split", DEFAULT_SPLIT)), entry.get("path")
        splits.setdefault(split, []).extend(_texts(as_list(paths)))
    return splits


def _matching(root: str, globs: Iterable[str]) -> list[FileInfo]:
    found = {}
    for glob in globs:
        inside = safe_relative(glob)
        if not inside:
            continue
        for file in find(join(root, inside)):
            if file.path.endswith(".parquet"):
                found[file.path] = file
    return [found[path] for path in sorted(found)]


def _subset(config: SourceConfig, described: dict[str, Any], root: str) -> str:
    if config.subset is None and "default" in described:
        return "default"
    return _one_of(config.subset, list(described), "subset", root)


def _of_subset(config: SourceConfig, root: str, files: list[FileInfo]) -> list[FileInfo]:
    """The files of a subset: of the folder of its name."""
    if config.subset is None:
        return files
    folder = f"{join(root, config.subset)}/"
    own = [file for file in files if file.path.startswith(folder)]
    if not own:
        raise ConfigError(f"source.subset: {root} has no folder {config.subset!r} with Parquet files")
    return own


def _by_words(root: str, files: Iterable[FileInfo]) -> dict[str, list[FileInfo]]:
    """Split -> files, by the words of their paths; all are `train` if no path has one."""
    splits: dict[str, list[FileInfo]] = {}
    for file in files:
        words = re.split(r"[^a-z]+", file.path[len(root) :].lower())
        named = (split for split, known in WORDS.items() if any(word in known for word in words))
        splits.setdefault(next(named, ""), []).append(file)
    if list(splits) == [""]:
        return {DEFAULT_SPLIT: splits[""]}
    splits.pop("", None)
    return splits


def _pictures(config: SourceConfig, root: str, names: list[str]) -> Place:
    _refuse_subset(config)
    folders = {name.lower(): name for name in names if folder_exists(join(root, name))}
    splits = {
        split: folders[word] for split, known in WORDS.items() for word in known[::-1] if word in folders
    }
    if not splits:
        if config.split not in (None, DEFAULT_SPLIT):
            raise ConfigError(f"source.split: {root} has no folder of the split {config.split!r}")
        return Place("pictures", (), root, DEFAULT_SPLIT)
    split = _one_of(config.split, list(splits), "split", root)
    return Place("pictures", (), join(root, splits[split]), split)


def _one_of(asked: str | None, known: list[str], field: str, root: str) -> str:
    """The value that was asked for; else `train`, or the only one. Raises ConfigError."""
    if asked is None:
        if DEFAULT_SPLIT in known:
            return DEFAULT_SPLIT
        if len(known) == 1:
            return known[0]
        raise ConfigError(f"source.{field}: {root} has {', '.join(known) or 'none'}: give source.{field}=...")
    if asked in known:
        return asked
    raise ConfigError(
        f"source.{field}: {root} has no {asked!r}; it has {', '.join(known)}{nearest_hint(asked, known)}"
    )


def _refuse_subset(config: SourceConfig) -> None:
    if config.subset is not None:
        raise ConfigError("source.subset: a data set of this form has no subsets; remove it")


def _texts(values: Any) -> list[str]:
    if not isinstance(values, list):
        return []
    return [value for value in values if isinstance(value, str)]


def _json(path: str) -> dict[str, Any]:
    try:
        with open_uri(path) as stream:
            values = json.loads(stream.read(MAX_BYTES))
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"source.uri: {path}: damaged ({one_line(error)}); save the data set again"
        ) from None
    except FileNotFoundError:
        raise ConfigError(f"source.uri: {path}: no such file; save the data set again") from None
    if not isinstance(values, dict):
        return {}
    return values
