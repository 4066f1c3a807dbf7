"""Guess the kind of a source of pictures from its path and its first bytes.

A guess is never silent: it comes with the reason in words, and what could be two things is an error that
names both.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pipelines.sources.annotations.tables import column_of
from pipelines.sources.folder import PICTURES
from pipelines.sources.hub.layout import hub_name, is_saved
from pipelines.sources.urls.lists import JSON_LINES, PLAIN, URL_COLUMNS, form_of
from schemas.errors import ConfigError
from schemas.text import counted
from storage.compressed import CompressionError, decompressed
from storage.find import find, find_under
from storage.folders import folder_exists, list_names
from storage.read import file_exists, kind, open_input
from storage.uris import absolute, is_glob, join

HEAD_BYTES = 64 * 1024  # of a table or JSON that are looked at
LOOKED_AT = 20  # rows of a table
TABLES = (".tsv", ".txt", ".csv")
VIDEOS = (".mp4", ".avi", ".mkv", ".webm", ".mov")
COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
URL = re.compile(rb"https?://\S+$")
URL_LINE = re.compile(r"https?://\S+( .*)?$")  # a tab makes it a table
DELIMITED = re.compile(r"[,;|\t]")
OUR_STATE = "_zoetrope"  # the folder of a job's bookkeeping, in an output
FORMS = (
    "a folder of pictures, tars (*.tar), Parquet (*.parquet), a TSV of captions and URLs, a list of "
    "URLs (csv, jsonl, txt), COCO's captions JSON, or a Hugging Face data set on disk"
)


@dataclass(frozen=True)
class Guess:
    """The kind of source that a path seems to hold."""

    fields: dict[str, str]  # of the `source` section
    reason: str  # in words, for the user

    @property
    def kind(self) -> str:
        """The kind of source."""
        return self.fields["kind"]


def guess_source(path: str) -> Guess:
    """Guess from a local path, glob or URI. Raises ConfigError if nothing is there or it is not clear."""
    if not is_glob(path) and "{" not in path and kind(absolute(path)) is None and not folder_exists(path):
        name = hub_name(path)
        on_hub = ""
        if name is not None and "/" in name:
            on_hub = f"; for a data set on the hub, say source.kind=huggingface source.uri={name}"
        raise ConfigError(
            f"{path}: no such file or folder. An input is {FORMS}; a field is written FIELD=VALUE{on_hub}"
        )
    if not is_glob(path) and folder_exists(path):
        return _folder(path)
    folder = absolute(path).rpartition("/")[0]
    if not is_glob(folder) and folder_exists(join(folder, OUR_STATE)):
        raise _is_output(path, folder)
    name = path.lower().rstrip("/")
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    if name.endswith(".tar") or path.lower().endswith((".tar.gz", ".tgz")):
        return Guess({"kind": "tars", "uri": path}, "tars of pictures and captions")
    if name.endswith((".parquet", ".parq")):
        return Guess({"kind": "parquet", "uri": path}, "Parquet")
    if name.endswith(".json"):
        return _json(path)
    if name.endswith((*TABLES, *JSON_LINES)):
        return _urls(path) or _table(path)
    if any(name.endswith(ending) for ending in PICTURES):
        reason = "a picture"
        if is_glob(path):
            reason = "pictures"
        return Guess({"kind": "folder", "uri": path}, reason)
    raise ConfigError(f"{path}: cannot tell what it is. An input is {FORMS}; or say it with source.kind=...")


def _folder(path: str) -> Guess:
    names = list_names(path)
    if OUR_STATE in names:
        raise _is_output(path, path)
    if is_saved(path):
        return Guess({"kind": "huggingface", "uri": path}, "a Hugging Face data set that was saved to disk")
    endings = Counter(_ending(name) for name in names)
    pictures = sum(endings[ending] for ending in PICTURES)
    if not pictures and not endings[".tar"] and not endings[".parquet"]:
        return _folder_below(path, names)
    found = {"picture": pictures, "tar": endings[".tar"], "Parquet file": endings[".parquet"]}
    if found["tar"] and _all_paired(names, ".parquet", ".tar"):
        found["Parquet file"] = 0  # img2dataset writes a table for each tar
    there = [counted(count, what) for what, count in found.items() if count]
    if len(there) > 1:
        raise ConfigError(
            f"{path}: holds {' and '.join(there)}; say which you mean: source.kind=folder, "
            "source.kind=tars or source.kind=parquet, with source.uri=..."
        )
    if found["tar"]:
        uri = join(path, "*.tar")
        return Guess({"kind": "tars", "uri": uri}, f"a folder of {there[0]}")
    if found["Parquet file"]:
        return Guess({"kind": "parquet", "uri": join(path, "*.parquet")}, f"a folder of {there[0]}")
    return Guess({"kind": "folder", "uri": path}, f"a folder of {there[0]}")


def _is_output(path: str, output: str) -> ConfigError:
    return ConfigError(
        f"{path}: an output of Zoetrope, not an input; `zoetrope validate {output}` checks it, and "
        f"`zoetrope retry {output}` makes what failed. If you mean it as an input, say source.kind=..."
    )


def _folder_below(path: str, names: list[str]) -> Guess:
    """A folder without an input of its own: pictures in its subfolders, or nothing."""
    tables = [name for name in names if _ending(name) in TABLES and not name.startswith("captions")]
    for file in find_under(path):
        if _ending(file.path) in PICTURES:
            return Guess({"kind": "folder", "uri": path}, "a folder of folders of pictures")
        if _ending(file.path) in (".tar", ".parquet"):
            raise ConfigError(f"{path}: has {file.path} below it; give the folder or a glob of these files")
    if tables:
        raise ConfigError(f"{path}: holds no pictures; do you mean the table {join(path, tables[0])}?")
    hint = ""
    if any(_ending(name) in VIDEOS for name in names):
        hint = "; `zoetrope import-videos` makes shards of videos"
    raise ConfigError(f"{path}: holds no pictures, tars or Parquet files{hint}. An input is {FORMS}")


def _all_paired(names: Iterable[str], ending: str, other: str) -> bool:
    """Does each name with this ending have one of the same stem with the other?"""
    stems = {name.removesuffix(other) for name in names if name.endswith(other)}
    return all(name.removesuffix(ending) in stems for name in names if name.endswith(ending))


def _json(path: str) -> Guess:
    head = _head(path)
    if b'"images"' not in head and b'"annotations"' not in head:
        raise ConfigError(
            f"{path}: not COCO's captions JSON, which has 'images' and 'annotations'. Captions of pictures "
            "in a folder are read from captions.jsonl in that folder"
        )
    for images in _picture_places(path):
        if folder_exists(images) or file_exists(images):
            fields = {"kind": "coco", "annotations": path, "images": images}
            return Guess(fields, f"COCO captions, with the pictures in {images}")
    raise ConfigError(
        f"{path}: COCO captions, but where are the pictures? Give source.kind=coco "
        f"source.annotations={path} source.images=FOLDER"
    )


def _picture_places(path: str) -> Iterable[str]:
    """Where the pictures of captions_train2017.json usually are: train2017/ in its folder or above it."""
    folder, _, name = absolute(path).rpartition("/")
    stem = name.partition(".")[0]
    for prefix in ("captions_", "instances_", "dataset_"):
        stem = stem.removeprefix(prefix)
    for root in (folder, folder.rpartition("/")[0]):
        for place in (stem, f"{stem}.zip", "images"):
            yield join(root, place)


def _urls(path: str) -> Guess | None:
    """A list of URLs: a header that names them, objects that hold them, or a URL on every line."""
    lines = [line for line in _head(path).decode(errors="replace").splitlines()[:LOOKED_AT] if line.strip()]
    if not lines:
        return None
    form = form_of(path)
    if form in JSON_LINES:
        columns, what = list(_object(lines[0])), "JSON lines"
    elif form in PLAIN:
        if not all(URL_LINE.match(line) for line in lines):
            return None
        alone = "; captions are words of file names"
        if any(" " in line.strip() for line in lines):
            alone = ""
        return Guess({"kind": "urls", "uri": path}, f"a list of URLs, one a line{alone}")
    else:
        columns, what = DELIMITED.split(lines[0].strip()), "a table"
    if column_of([column.strip(' "') for column in columns], URL_COLUMNS) is None:
        return None
    return Guess({"kind": "urls", "uri": path}, f"{what} with a column of URLs")


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    return value


def _table(path: str) -> Guess:
    rows = [line.rstrip(b"\r").split(b"\t") for line in _head(path).split(b"\n")[:LOOKED_AT] if line.strip()]
    first = sum(bool(URL.match(row[0])) for row in rows if len(row) > 1)
    last = sum(bool(URL.match(row[-1])) for row in rows if len(row) > 1)
    if first > len(rows) / 2 and first > last:
        return Guess({"kind": "cc12m", "uri": path}, "a TSV with the URL first, as CC12M")
    if last > len(rows) / 2 and last > first:
        return Guess({"kind": "cc3m", "uri": path}, "a TSV with the URL last, as CC3M")
    raise ConfigError(
        f"{path}: cannot tell where the URL is; a table has no header, and its rows are a caption and a URL "
        "or a URL and a caption, with a tab between. Captions of pictures in a folder are read from "
        "captions.csv in that folder"
    )


def _head(path: str) -> bytes:
    """The first bytes of the first file, with whole lines only."""
    first = absolute(path)
    if is_glob(path):
        files = find(path)
        if not files:
            raise ConfigError(f"{path}: nothing matches; check the path")
        first = files[0].path
    with open_input(first) as stream:
        try:
            data = decompressed(stream).read(HEAD_BYTES)
        except CompressionError as error:
            raise ConfigError(f"{path}: {error}") from None
    if len(data) >= HEAD_BYTES:
        data = data.rpartition(b"\n")[0] or data
    return data.removeprefix(b"\xef\xbb\xbf")


def _ending(name: str) -> str:
    if "." not in name.rpartition("/")[2]:
        return ""
    return f".{name.lower().rpartition('.')[2]}"
