"""A table of videos: one row per caption, with the video's id or path. Rows of one video are its captions."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field

from pipelines.sources.annotations.tables import BadRow, CsvTable, column_of, read_lines
from pipelines.sources.videos.base import BadEntry, Entry
from pipelines.sources.videos.files import is_video_name, video_key
from pipelines.sources.videos.listed import ListedSource
from pipelines.sources.videos.splits import select
from schemas.errors import ConfigError
from schemas.records import Reason
from schemas.text import valid_text
from storage.find import FileInfo, find_some
from storage.read import open_input

VIDEO_COLUMNS = ("video", "video_id", "path", "file")
CAPTION_COLUMNS = ("caption", "sentence", "text")
SPLIT_COLUMNS = ("split",)


@dataclass(slots=True)
class _Video:
    """One video of the table."""

    name: str  # as its first row has it
    captions: list[str] = field(default_factory=list)
    problem: tuple[Reason, str] | None = None
    names: list[str] = field(default_factory=list)  # of each caption, once a row has another form of it

    def add(self, name: str, caption: str) -> None:
        """Take the caption of a row; a row may have none."""
        if not self.names and name != self.name:
            self.names = [self.name] * len(self.captions)
        if self.names:
            self.names.append(name)
        if caption or self.names:
            self.captions.append(caption)


@dataclass(frozen=True, slots=True)
class _Fault:
    """A row that cannot be read, and the video that it names."""

    row: BadRow
    video: str | None = None


class TableSource(ListedSource):
    """A CSV or TSV. `split` is a value of its column ``split``."""

    def split_files(self) -> list[FileInfo]:
        """The file of `split_file`; a split by name has no file."""
        if self.config.split_file is None:
            return []
        return find_some(self.config.split_file, "source.split_file")

    def entries(self) -> Iterator[Entry | BadEntry]:
        """Yield the videos in the order of the list, else of their first rows."""
        yield from select(self.split(), self._all())

    def _all(self) -> Iterator[Entry | BadEntry]:
        videos: dict[str, _Video] = {}  # by the id in their names
        bad: list[BadEntry] = []
        for file in self.annotation_files():
            faults = list(self._read(file, videos))
            others = (_attributed(fault, file.path, videos) for fault in faults)
            bad += [entry for entry in others if entry is not None]
        if not videos and not bad:
            what = ""
            if self.config.split:
                what = f" of split {self.config.split}"
            raise ConfigError(f"source.annotations: {self.config.annotations}: no rows{what} in it")
        meta = self.meta()
        for video in videos.values():
            captions = tuple(video.captions)
            yield Entry(video.name, captions, None, meta, video.problem, names=tuple(video.names))
        yield from bad

    def _read(self, file: FileInfo, videos: dict[str, _Video]) -> Iterator[_Fault]:
        """Add the rows of a table to the videos; yield the rows that cannot be read."""
        asked = self.config.caption_column
        wanted = [*_names(self.config.video_column, VIDEO_COLUMNS), *_names(asked, CAPTION_COLUMNS)]
        with open_input(file.path) as stream:
            table = CsvTable(
                read_lines(stream, file.size, file.path),
                file.path,
                wanted=[*wanted, *SPLIT_COLUMNS],
                takes_rest=_names(asked, CAPTION_COLUMNS),
                is_row=lambda cells: any(is_video_name(cell) or video_key(cell) in videos for cell in cells),
            )
            video_column = _column(
                file.path, table.columns, self.config.video_column, VIDEO_COLUMNS, "video_column"
            )
            caption_column = _column(file.path, table.columns, asked, CAPTION_COLUMNS, "caption_column")
            split_column = self._split_column(file.path, table.columns)
            for row in table:
                if isinstance(row, BadRow):
                    yield _Fault(row, _named(row, table.columns, video_column, caption_column, videos))
                    continue
                if split_column is not None and row.values.get(split_column, "").strip() != self.config.split:
                    continue
                video = row.values.get(video_column, "").strip()
                caption = row.values.get(caption_column, "").strip()
                if video and valid_text(video) == video:
                    videos.setdefault(video_key(video), _Video(video)).add(video, caption)
                elif any(value.strip() for value in row.values.values()):
                    detail = f"no video in column {video_column}"
                    yield _Fault(BadRow(row.line, Reason.MALFORMED_ROW, detail))

    def _split_column(self, path: str, columns: Sequence[str]) -> str | None:
        if self.config.split is None:
            return None
        found = column_of(columns, SPLIT_COLUMNS)
        if found is None:
            raise ConfigError(f"source.split: {path}: has no column split; its columns: {', '.join(columns)}")
        return found


def _named(
    row: BadRow, columns: Sequence[str], video: str, caption: str, known: Container[str]
) -> str | None:
    """The video that a bad row names: by its column if that comes first, else by its cells."""
    place = columns.index(video)
    if place < min(columns.index(caption), len(row.cells)):
        return row.cells[place] or None
    named = {cell for cell in row.cells if cell and (is_video_name(cell) or video_key(cell) in known)}
    if len(named) != 1:
        return None
    return named.pop()


def _attributed(fault: _Fault, path: str, videos: dict[str, _Video]) -> BadEntry | None:
    """Give a fault to the video that its row names, or return it as an entry of its own."""
    problem = (fault.row.reason, fault.row.named(path))
    if fault.video is None or valid_text(fault.video) != fault.video:
        return BadEntry(*problem)
    video = videos.setdefault(video_key(fault.video), _Video(fault.video))
    if video.captions or video.problem is not None:
        return BadEntry(*problem)
    video.problem = problem
    return None


def _names(asked: str | None, usual: Sequence[str]) -> Sequence[str]:
    if asked:
        return (asked,)
    return usual


def _column(path: str, columns: Sequence[str], asked: str | None, usual: Sequence[str], field: str) -> str:
    found = column_of(columns, _names(asked, usual))
    if found is None:
        wanted = asked or " or ".join(usual)
        if not any(columns):
            raise ConfigError(f"source.annotations: {path}: an empty table; it needs the column {wanted}")
        raise ConfigError(
            f"source.{field}: {path}: no column {wanted}; its columns: {', '.join(columns)[:200]}"
        )
    return found
