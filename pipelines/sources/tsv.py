"""The published Conceptual Captions tables, which have no header.

CC3M has ``caption TAB url``, CC12M has ``url TAB caption``.

Planning only looks for newlines, in large chunks; a task is a byte range, and a worker reads that range
alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import IO, Any

from pipelines.sources.annotations.cells import url_identity
from pipelines.sources.base import Source
from pipelines.sources.growth.files import find_known, relative_names
from pipelines.sources.growth.known import Known, changed, with_marks
from pipelines.sources.row_ranges import row_ranges
from schemas.errors import ConfigError
from schemas.records import Failure, Reason, Reference, Stage, Task
from storage.find import FileInfo, find_some, identity
from storage.read import READ_CHUNK, capped_lines, open_input

MAX_ROW_BYTES = 64 * 1024  # the longest real row is under 4 kB
LOOK_ROWS = 20  # rows that decide whether the table is of this kind
BOM = b"\xef\xbb\xbf"
FIELD = "source.uri"
WEB = ("http://", "https://")


class TsvSource(Source):
    """Rows of a caption and a URL. Key: kind and row number, counted over all files of a glob."""

    kind: str
    other_kind: str
    form: str  # of a row, in words

    @property
    def is_remote(self) -> bool:
        """Always: every row holds a URL."""
        return True

    @property
    def keys_are_row_numbers(self) -> bool:
        """Always."""
        return True

    def fingerprint(self) -> dict[str, Any]:
        """Kind, names and sizes of the tables, and the limit."""
        return {"kind": self.kind, "limit": self.config.limit, **identity(self._files())}

    @property
    def can_grow(self) -> bool:
        """Always: by rows at the end of tables, and by further tables."""
        return True

    def plan(self) -> Iterator[Task]:
        """A task is ``{uri, start, end, row}``: a byte range, and the number of its first row."""
        return self.plan_from(Known((), 0))

    def plan_from(self, known: Known) -> Iterator[Task]:
        """Known byte ranges, by the digest of their bytes; then the bytes after them."""
        files = self._files()
        ends: dict[str, int] = {}  # path -> the byte up to which the table is planned
        row = 0
        for segment in known.segments:
            index, marks = segment.first, list(segment.pairs())
            found = find_known(files, [name for name, _ in marks], FIELD)
            for name, about in marks:
                span = json.loads(about)
                for task in self._known_span(found[name], span, index, row):
                    yield task
                    index, row = index + 1, row + task.samples
                ends[found[name].path] = span["stop"]
        yield from self._new_spans(files, ends, known.room(self.config.limit), known.next, row)

    def _known_span(self, file: FileInfo, span: dict[str, Any], index: int, row: int) -> Iterator[Task]:
        if file.size < span["stop"]:
            raise changed(FIELD, file.path, "it has become smaller")
        total = blake2b(digest_size=8)
        with open_input(file.path) as stream:
            for start, end, rows in row_ranges(
                stream, self.shard_samples, span["start"], span["stop"], total
            ):
                yield Task(index, rows, {"uri": file.path, "start": start, "end": end, "row": row})
                index, row = index + 1, row + rows
        if total.hexdigest() != span["sum"]:
            raise changed(FIELD, file.path, f"its first {span['stop']} bytes have changed")

    def _new_spans(
        self, files: Sequence[FileInfo], ends: Mapping[str, int], room: int | None, index: int, row: int
    ) -> Iterator[Task]:
        """The tasks of bytes that are not planned yet, up to `room` rows."""
        marks: list[tuple[str, str]] = []
        names = relative_names(files)

        def tasks() -> Iterator[Task]:
            number, first, left = index, row, room
            for file in files:
                if left == 0 or file.size <= ends.get(file.path, 0):
                    continue
                total = blake2b(digest_size=8)
                with open_input(file.path) as stream:
                    self._check_kind(file.path, stream)
                    begin = end = _after_newline(stream, file, ends.get(file.path, 0))
                    for start, end, rows in row_ranges(
                        stream, self.shard_samples, begin, file.size, total, most=left
                    ):
                        yield Task(number, rows, {"uri": file.path, "start": start, "end": end, "row": first})
                        number, first = number + 1, first + rows
                        if left is not None:
                            left -= rows
                span = {"start": begin, "stop": end, "sum": total.hexdigest()}
                marks.append((names[file.path], json.dumps(span)))

        return with_marks(tasks(), marks)

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """Yield one reference or failure per row, from the task's byte range alone."""
        uri, start, end, row = (task.payload[name] for name in ("uri", "start", "end", "row"))
        seen: dict[tuple[str, str], str] = {}
        with open_input(uri) as stream:
            stream.seek(start)
            for number, (line, length) in enumerate(
                capped_lines(stream, end - start, uri, cap=MAX_ROW_BYTES)
            ):
                if number == task.samples:  # the limit fell inside this range
                    return
                key = f"{self.kind}-{row + number:09d}"
                if start == number == 0:
                    line = line.removeprefix(BOM)
                item = self._parse(key, line, length)
                if isinstance(item, Reference):
                    first = seen.setdefault((item.url or "", item.captions[0]), key)
                    if first != key:
                        item = Failure(
                            key,
                            Stage.PLAN,
                            Reason.DUPLICATE_KEY,
                            f"the same url and caption as {first}",
                            item.url,
                        )
                yield item

    def split(self, text: str) -> tuple[str, str]:
        """(caption, url) of a row that holds a tab."""
        raise NotImplementedError

    def _parse(self, key: str, line: bytes, length: int) -> Reference | Failure:
        if length > MAX_ROW_BYTES:
            return Failure(
                key, Stage.PLAN, Reason.ROW_TOO_LONG, f"{length} bytes; rows may have {MAX_ROW_BYTES}"
            )
        try:
            text = line.removesuffix(b"\r").decode()
        except UnicodeDecodeError as error:
            return Failure(
                key,
                Stage.PLAN,
                Reason.NOT_UTF8,
                f"byte {error.start}: {line[error.start : error.start + 8]!r}",
            )
        if "\t" not in text:
            return Failure(key, Stage.PLAN, Reason.MALFORMED_ROW, f"no tab: {text[:100]!r}")
        caption, url = (part.strip() for part in self.split(text))
        if not url:
            return Failure(key, Stage.PLAN, Reason.MALFORMED_ROW, f"no url: {text[:100]!r}")
        if not caption:
            return Failure(key, Stage.PLAN, Reason.EMPTY_CAPTION, url=url)
        return Reference(key, (caption,), self.kind, url=url, image_id=url_identity(url))

    def _files(self) -> list[FileInfo]:
        files = find_some(self.config.uri or "", FIELD)[: self.first_files]
        for file in files:
            if file.path.endswith((".gz", ".bz2", ".zip", ".zst", ".xz")):
                raise ConfigError(
                    f"source.uri: {file.path}: compressed tables cannot be read by range; decompress it first"
                )
        return files

    def _check_kind(self, uri: str, stream: IO[bytes]) -> None:
        """Raises ConfigError if the first rows are not of this kind, before each row becomes a failure."""
        head = stream.read(READ_CHUNK)
        form = f"{self.kind} is {self.form}, without a header"
        if head.startswith((b"\xff\xfe", b"\xfe\xff")) or head.count(b"\0") * 4 > len(head):
            raise ConfigError(f"source.uri: {uri}: its text is UTF-16, or it is no text; {form}, in UTF-8")
        lines = [line for line in head.split(b"\n")[:LOOK_ROWS] if line.strip()]
        rows = [line.decode(errors="replace").removeprefix("\ufeff") for line in lines if b"\t" in line]
        if lines and not rows:
            shown = lines[0][:60].decode(errors="replace")
            raise ConfigError(f"source.uri: {uri}: no tab in its first rows, such as {shown!r}; {form}")
        right = sum(_is_url(self.split(row)[1]) for row in rows)
        swapped = sum(_is_url(self.split(row)[0]) for row in rows)
        if swapped and not right:
            raise ConfigError(
                f"source.uri: {uri}: its columns are in the order of {self.other_kind}; "
                f"set source.kind={self.other_kind}"
            )


class Cc3mSource(TsvSource):
    """``caption TAB url``: the last tab divides, so a caption may hold tabs.

    In the file with image labels three more columns follow the URL: labels, their ids and their scores.
    """

    kind, other_kind = "cc3m", "cc12m"
    form = "caption TAB url"

    def split(self, text: str) -> tuple[str, str]:
        """(caption, url)."""
        caption, _, url = text.rpartition("\t")
        if not url.lstrip().startswith(WEB):
            before, _, after = text.partition("\thttp")
            if after:
                return before, "http" + after.partition("\t")[0]
        return caption, url


class Cc12mSource(TsvSource):
    """``url TAB caption``: the first tab divides, so a caption may hold tabs."""

    kind, other_kind = "cc12m", "cc3m"
    form = "url TAB caption"

    def split(self, text: str) -> tuple[str, str]:
        """(caption, url)."""
        url, _, caption = text.partition("\t")
        return caption, url


def _after_newline(stream: IO[bytes], file: FileInfo, end: int) -> int:
    """The byte after the newline that ends the row before `end`, which may have come with the next row."""
    stream.seek(max(0, end - 1))
    around = stream.read(3)
    if end == 0 or around.startswith(b"\n"):
        return end
    for newline in (b"\n", b"\r\n"):
        if around[1:].startswith(newline):
            return end + len(newline)
    raise changed(FIELD, file.path, f"the row that ended at byte {end} has changed")


def _is_url(text: str) -> bool:
    return text.strip().lower().startswith(("http://", "https://"))
