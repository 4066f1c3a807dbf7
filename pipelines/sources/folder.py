"""A folder of pictures with ``NAME.txt`` files, or with tables of captions: captions.csv, captions.jsonl.

HF imagefolder's metadata.csv and metadata.jsonl (``file_name``, ``text``) are read as well. A table names
pictures relative to its own folder, and takes precedence over a text file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.sources.annotations.folder_tables import TABLES, Captions, Problem, is_table, read_tables
from pipelines.sources.annotations.names import folded, stem
from pipelines.sources.annotations.texts import kept_captions, with_captions
from pipelines.sources.base import Source
from pipelines.sources.config import SourceConfig
from pipelines.sources.growth.known import FAILED, Known, digest
from pipelines.sources.growth.rows import OTHER, Planner, Row, unique
from schemas.errors import ConfigError
from schemas.keys import slug
from schemas.records import Failure, Reason, Reference, SampleError, Stage, Task
from schemas.text import counted, valid_text
from storage.find import FileInfo, find, find_under, identity
from storage.folders import folder_exists
from storage.uris import absolute, is_glob, join

READ = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
NOT_READ = (  # pictures that the decoder refuses, so that each of them is a failure with its kind
    *(".heic", ".heif", ".jxl", ".jp2", ".j2k", ".jpx", ".svg", ".psd", ".ico", ".tga", ".pcx", ".apng"),
    *(".pbm", ".pgm", ".ppm", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".exr", ".hdr", ".eps"),
)
PICTURES = (*READ, *NOT_READ)
TEXT = ".txt"


class FolderSource(Source):
    """Pictures at any depth, in the order of their paths. Key: position and file name."""

    config: SourceConfig

    def fingerprint(self) -> dict[str, Any]:
        """Kind, names and sizes of pictures, texts and tables, and the limit."""
        files = self._files()
        return {"kind": "folder", "limit": self.config.limit, **identity(files)}

    @property
    def can_grow(self) -> bool:
        """Always: by pictures anywhere below the folder."""
        return True

    def plan(self) -> Iterator[Task]:
        """Tasks hold their references: ``{rows: [{key, path, captions, text} | {key, reason, detail}]}``."""
        return self._planner.plan(self._rows())

    def plan_from(self, known: Known) -> Iterator[Task]:
        """Known pictures, whose sizes and captions must be the same; then the others."""
        return self._planner.plan(self._rows(), known)

    @property
    def _planner(self) -> Planner:
        return Planner(self.shard_samples, self.config.limit, "source.uri")

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """Yield references to the picture files, with the captions of their text files."""
        for item in self.refer(task):
            if isinstance(item, Failure):
                yield item
                continue
            try:
                yield with_captions(item)
            except SampleError as error:
                yield error.failure(item.key)

    def refer(self, task: Task) -> Iterator[Reference | Failure]:
        """Yield references to the picture files and their text files."""
        root = self._root
        if not folder_exists(root):
            raise FileNotFoundError(f"{root}: the folder of pictures is gone")
        for row in task.payload["rows"]:
            try:
                yield _reference(row, root)
            except SampleError as error:
                yield error.failure(row["key"])

    @property
    def _is_selection(self) -> bool:
        """Does source.uri name some pictures of a folder: by a glob, or one by its path?"""
        uri = absolute(self.config.uri or "")
        return is_glob(uri) or (_is_picture(uri) and not folder_exists(uri))

    @property
    def _root(self) -> str:
        """The folder that holds everything a glob can match, or the one picture."""
        uri = absolute(self.config.uri or "")
        if not is_glob(uri):
            if self._is_selection:
                return uri.rpartition("/")[0]
            return uri.rstrip("/")
        before = uri[: min(uri.index(character) for character in "*?[" if character in uri)]
        return before.rpartition("/")[0]

    def _files(self) -> list[FileInfo]:
        """Pictures, text files and tables. Raises ConfigError if there is no picture and no table."""
        uri = absolute(self.config.uri or "")
        if self._is_selection:
            matched = [*find(uri), *find(join(uri, "**"))]  # pictures, and folders of pictures
            if not matched and not is_glob(uri):
                raise ConfigError(f"source.uri: {uri}: no such picture; check the path")
            root = self._root
            found = [file for file in matched if _counts(file.path, root)]
            files = {file.path: file for file in [*found, *self._tables_of(found)]}
            kept = sorted(files.values(), key=lambda file: file.path)
        else:
            if not folder_exists(uri):
                raise ConfigError(f"source.uri: {uri}: no such folder; check the path")
            root = self._root
            kept = [file for file in find_under(uri) if _counts(file.path, root)]
        if not any(_is_picture(file.path) or is_table(file.path) for file in kept):
            what = ", ".join(ending[1:] for ending in READ)
            raise ConfigError(
                f"source.uri: {uri}: no pictures ({what}) in it; give the folder that holds them, or a glob"
            )
        return kept[: self.first_files]

    def _tables_of(self, files: list[FileInfo]) -> Iterator[FileInfo]:
        """The caption tables in the folders of these pictures, up to the folder that the glob starts from."""
        folders: set[str] = set()
        for file in files:
            folder = file.path.rpartition("/")[0]
            while folder not in folders and folder.startswith(self._root):
                folders.add(folder)
                folder = folder.rpartition("/")[0]
        for folder in sorted(folders):
            for name in TABLES:
                yield from find(join(folder, name))

    def _rows(self) -> Iterator[Row]:
        files = self._files()
        sizes = {file.path: file.size for file in files}
        pictures = {file.path for file in files if _is_picture(file.path)}
        tables = [file for file in files if is_table(file.path)]
        captions = read_tables(tables, pictures, self.config.caption_column, self.config.boxes)
        texts = _Texts(file.path for file in files if file.path.lower().endswith(TEXT))
        named = {*captions.of, *captions.problems}
        if self._is_selection:
            named &= pictures  # other pictures of the tables are not part of this source
        self._check_captions(pictures, tables, texts, captions)
        root = self._root
        for path in sorted(pictures | named):
            name = path.rpartition("/")[2]
            key = f"folder-{{0:08d}}-{slug(name.rpartition('.')[0] or name, 60)}".rstrip("-")
            values = _row(path, path in pictures, captions, texts)
            about = _about(values, sizes)
            yield Row(valid_text(path.removeprefix(root).lstrip("/")), about, key, values)
        others = (
            Row(OTHER + problem[1], FAILED, "folder-x{0:08d}", _failed(problem))
            for problem in captions.others
        )
        yield from unique(others)

    def _check_captions(
        self, pictures: set[str], tables: list[FileInfo], texts: _Texts, captions: Captions
    ) -> None:
        """Raises ConfigError where no picture can get a caption, before each of them becomes a failure."""
        if not self._is_selection and not tables and not texts.count:
            raise ConfigError(
                f"source.uri: {self.config.uri}: {len(pictures)} pictures and no captions; "
                "add a NAME.txt for each picture, or one captions.csv (columns file_name, caption), or one "
                'captions.jsonl ({"file_name": ..., "caption": ...})'
            )
        if texts.count and not tables and pictures and not any(map(texts.has, pictures)):
            raise ConfigError(
                f"source.uri: {self.config.uri}: {counted(texts.count, 'text file')}, none named like a "
                f"picture, such as {texts.first}; call a table of captions captions.csv or captions.tsv"
            )
        is_elsewhere = not texts.count and not pictures & captions.of.keys()
        if captions.of and is_elsewhere and not self._is_selection:  # a selection has its NAME.txt unlisted
            first = next(iter(captions.of))
            raise ConfigError(
                f"source.uri: {tables[0].path}: none of its {len(captions.of)} pictures is there, "
                f"such as {first}"
            )


class _Texts:
    """Caption files by the picture that they belong to."""

    def __init__(self, paths: Iterator[str]) -> None:
        self._paths = set(paths)
        self._folded: dict[str, str] = {}  # made at the first picture without NAME.txt

    @property
    def count(self) -> int:
        return len(self._paths)

    @property
    def first(self) -> str:
        return min(self._paths)

    def has(self, picture: str) -> bool:
        """Is there a caption file of this picture?"""
        return stem(picture) + TEXT in self._paths or self.other_than_usual(picture) is not None

    def other_than_usual(self, picture: str) -> str | None:
        """The caption file of a picture where its name differs in case or Unicode form; None for NAME.txt."""
        if stem(picture) + TEXT in self._paths:
            return None
        if not self._folded:
            self._folded = {folded(stem(path)): path for path in sorted(self._paths)}
        return self._folded.get(folded(stem(picture)))


def _row(path: str, is_there: bool, captions: Captions, texts: _Texts) -> dict[str, Any]:
    if valid_text(path) != path:
        return _failed((Reason.NOT_UTF8, f"file name {path.rpartition('/')[2]!a}"))
    if path in captions.problems:
        return _failed(captions.problems[path])
    if not is_there:
        return _failed((Reason.MISSING_IMAGE, f"{path}: a table names it, and it is not there"))
    row: dict[str, Any] = {"path": path, "captions": captions.of.get(path)}
    if path in captions.boxes:
        row["meta"] = captions.boxes[path]
    text = texts.other_than_usual(path)
    if text is None or valid_text(text) != text:
        return row
    return {**row, "text": text}


def _counts(path: str, root: str) -> bool:
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.removeprefix(root).split("/"))
    return not hidden and (_is_picture(path) or path.lower().endswith(TEXT) or is_table(path))


def _about(values: dict[str, Any], sizes: Mapping[str, int]) -> str:
    """The identity of a picture: its size and its caption. FAILED if it has none."""
    if "reason" in values:
        return FAILED
    text = values.get("text") or f"{stem(values['path'])}{TEXT}"
    if values["captions"] is None and text not in sizes:
        return FAILED
    if values["captions"] is not None:
        caption = values["captions"]
    else:
        caption = sizes[text]
    return digest([sizes[values["path"]], caption, values.get("meta")])


def _failed(problem: Problem) -> dict[str, Any]:
    return {"reason": str(problem[0]), "detail": valid_text(problem[1])}


def _is_picture(path: str) -> bool:
    return path.lower().endswith(PICTURES)


def _reference(row: Mapping[str, Any], root: str) -> Reference:
    """The reference of one row of the plan. Raises SampleError."""
    if "reason" in row:
        raise SampleError(Stage.PLAN, Reason(row["reason"]), row["detail"])
    path = row["path"]
    meta = {"file": path.removeprefix(root).lstrip("/"), **row.get("meta", {})}
    if row["captions"] is not None:
        captions = kept_captions(path, row["captions"])
        return Reference(row["key"], captions, "folder", path=path, meta=meta)
    text = row.get("text") or f"{stem(path)}{TEXT}"
    return Reference(row["key"], (), "folder", path=path, meta=meta, captions_file=text)
