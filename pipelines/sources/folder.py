"""A folder of pictures with ``NAME.txt`` files, or with tables of captions: captions.csv, captions.jsonl.

HF imagefolder's metadata.csv and metadata.jsonl (``file_name``, ``text``) are read as well. A table names
pictures relative to its own folder, and takes precedence over a text file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipelines.sources.annotations.folder_tables import TABLES, Captions, Problem, is_table, read_tables
from pipelines.sources.annotations.names import folded, stem
from pipelines.sources.base import Source
from pipelines.sources.config import SourceConfig
from schemas.errors import ConfigError
from schemas.keys import slug
from schemas.records import Failure, Reason, Reference, SampleError, Stage, Task
from schemas.text import one_line, valid_text
from storage.find import FileInfo, find, find_under, folder_exists, identity
from storage.read import open_input
from storage.uris import absolute, is_glob, join

READ = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
NOT_READ = (  # pictures that the decoder refuses, so that each of them is a failure with its kind
    *(".heic", ".heif", ".jxl", ".jp2", ".j2k", ".jpx", ".svg", ".psd", ".ico", ".tga", ".pcx", ".apng"),
    *(".pbm", ".pgm", ".ppm", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".exr", ".hdr", ".eps"),
)
PICTURES = (*READ, *NOT_READ)
TEXT = ".txt"
MAX_TEXT_BYTES = 1024 * 1024


class FolderSource(Source):
    """Pictures at any depth, in the order of their paths. Key: position and file name."""

    config: SourceConfig

    def fingerprint(self) -> dict[str, Any]:
        """Kind, names and sizes of pictures, texts and tables, and the limit."""
        files = self._files()
        return {"kind": "folder", "limit": self.config.limit, **identity(files)}

    def plan(self) -> Iterator[Task]:
        """Tasks hold their references: ``{rows: [{key, path, captions, text} | {key, reason, detail}]}``."""
        yield from self.tasks(self._rows())

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """Yield references to the picture files. Their text files are read here."""
        if not folder_exists(self._root):
            raise FileNotFoundError(f"{self._root}: the folder of pictures is gone")
        for row in task.payload["rows"]:
            if "reason" in row:
                yield Failure(row["key"], Stage.PLAN, Reason(row["reason"]), row["detail"])
                continue
            try:
                captions = _captions(row["path"], row["captions"], row.get("text"))
            except SampleError as error:
                yield error.failure(row["key"])
                continue
            name = row["path"].removeprefix(self._root).lstrip("/")
            meta = {"file": name, **row.get("meta", {})}
            yield Reference(row["key"], captions, "folder", path=row["path"], meta=meta)

    @property
    def _root(self) -> str:
        """The folder that holds everything a glob can match."""
        uri = absolute(self.config.uri or "")
        if not is_glob(uri):
            return uri.rstrip("/")
        before = uri[: min(uri.index(character) for character in "*?[" if character in uri)]
        return before.rpartition("/")[0]

    def _files(self) -> list[FileInfo]:
        """Pictures, text files and tables. Raises ConfigError if there is no picture and no table."""
        uri = absolute(self.config.uri or "")
        if is_glob(uri):
            matched = [*find(uri), *find(join(uri, "**"))]  # pictures, and folders of pictures
            found = [file for file in matched if self._counts(file.path)]
            files = {file.path: file for file in [*found, *self._tables_of(found)]}
            kept = sorted(files.values(), key=lambda file: file.path)
        else:
            if not folder_exists(uri):
                raise ConfigError(f"source.uri: {uri}: no such folder; check the path")
            kept = [file for file in find_under(uri) if self._counts(file.path)]
        if not any(_is_picture(file.path) or is_table(file.path) for file in kept):
            what = ", ".join(ending[1:] for ending in READ)
            raise ConfigError(
                f"source.uri: {uri}: no pictures ({what}) in it; give the folder that holds them, or a glob"
            )
        return kept

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

    def _counts(self, path: str) -> bool:
        parts = path.removeprefix(self._root).split("/")
        hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
        return not hidden and (_is_picture(path) or path.lower().endswith(TEXT) or is_table(path))

    def _rows(self) -> Iterator[dict[str, Any]]:
        files = self._files()
        pictures = {file.path for file in files if _is_picture(file.path)}
        tables = [file for file in files if is_table(file.path)]
        captions = read_tables(tables, pictures, self.config.caption_column, self.config.boxes)
        texts = _Texts(file.path for file in files if file.path.lower().endswith(TEXT))
        named = {*captions.of, *captions.problems}
        if is_glob(absolute(self.config.uri or "")):
            named &= pictures  # other pictures of the tables are not part of this source
        self._check_captions(pictures, tables, texts, captions)
        for position, path in enumerate(sorted(pictures | named)):
            name = path.rpartition("/")[2]
            key = f"folder-{position:08d}-{slug(name.rpartition('.')[0] or name, 60)}".rstrip("-")
            yield {"key": key} | _row(path, path in pictures, captions, texts)
        for position, (reason, detail) in enumerate(captions.others):
            yield {"key": f"folder-x{position:08d}"} | _failed((reason, detail))

    def _check_captions(
        self, pictures: set[str], tables: list[FileInfo], texts: _Texts, captions: Captions
    ) -> None:
        """Raises ConfigError where no picture can get a caption, before each of them becomes a failure."""
        if not is_glob(absolute(self.config.uri or "")) and not tables and not texts.count:
            raise ConfigError(
                f"source.uri: {self.config.uri}: {len(pictures)} pictures and no captions; "
                "add a NAME.txt for each picture, or one captions.csv (columns file_name, caption), or one "
                'captions.jsonl ({"file_name": ..., "caption": ...})'
            )
        if captions.of and not texts.count and not pictures & captions.of.keys():
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
    return row if text is None or valid_text(text) != text else {**row, "text": text}


def _failed(problem: Problem) -> dict[str, Any]:
    return {"reason": str(problem[0]), "detail": valid_text(problem[1])}


def _is_picture(path: str) -> bool:
    return path.lower().endswith(PICTURES)


def _captions(path: str, from_table: list[str] | None, text: str | None) -> tuple[str, ...]:
    """Captions from the table, or the lines of the text file."""
    told = from_table if from_table is not None else _text_lines(path, text or f"{stem(path)}{TEXT}")
    captions = tuple(caption.strip() for caption in told if caption.strip())
    if not captions:
        raise SampleError(Stage.CAPTION, Reason.EMPTY_CAPTION, path)
    return captions


def _text_lines(path: str, text: str) -> list[str]:
    try:
        with open_input(text) as stream:
            data = stream.read(MAX_TEXT_BYTES + 1)
    except FileNotFoundError:
        detail = f"{path}: no {text.rpartition('/')[2]} in its folder, and no row in a table"
        raise SampleError(Stage.CAPTION, Reason.MISSING_CAPTION, detail) from None
    except OSError as error:  # one file; `read` has looked for the folder
        raise SampleError(Stage.CAPTION, Reason.UNREADABLE, one_line(error)) from None
    if len(data) > MAX_TEXT_BYTES:
        raise SampleError(Stage.CAPTION, Reason.TOO_LARGE, f"{text}: over {MAX_TEXT_BYTES} bytes")
    try:
        return data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise SampleError(Stage.CAPTION, Reason.NOT_UTF8, f"{text}: byte {error.start}") from None
