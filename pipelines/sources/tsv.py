"""The published Conceptual Captions tables: CC3M (``caption TAB url``) and CC12M (``url TAB caption``), no
header.

Planning only looks for newlines, in large chunks; a task is a byte range, and a worker reads that range
alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from pipelines.sources.annotations.cells import url_identity
from pipelines.sources.base import Source
from schemas.errors import ConfigError
from schemas.records import Failure, Reason, Reference, Stage, Task
from storage.find import FileInfo, find_some, identity
from storage.read import READ_CHUNK, capped_lines, open_input

MAX_ROW_BYTES = 64 * 1024  # the longest real row is under 4 kB
PLAN_CHUNK = 4 * 1024 * 1024
LOOK_ROWS = 20  # rows that decide whether the table is of this kind
BOM = b"\xef\xbb\xbf"


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

    def plan(self) -> Iterator[Task]:
        """A task is ``{uri, start, end, row}``: a byte range, and the number of its first row."""
        index = row = 0
        for file in self._files():
            with open_input(file.path) as stream:
                self._check_kind(file.path, stream)
                stream.seek(0)
                for start, end, rows in row_ranges(stream, self.shard_samples):
                    rows = rows if self.config.limit is None else min(rows, self.config.limit - row)
                    if rows <= 0:
                        return
                    yield Task(index, rows, {"uri": file.path, "start": start, "end": end, "row": row})
                    index, row = index + 1, row + rows

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
                item = self._parse(key, line.removeprefix(BOM) if start == number == 0 else line, length)
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
        files = find_some(self.config.uri or "", "source.uri")
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
    """``caption TAB url``: the last tab divides, so a caption may hold tabs."""

    kind, other_kind = "cc3m", "cc12m"
    form = "caption TAB url"

    def split(self, text: str) -> tuple[str, str]:
        """(caption, url)."""
        caption, _, url = text.rpartition("\t")
        return caption, url


class Cc12mSource(TsvSource):
    """``url TAB caption``: the first tab divides, so a caption may hold tabs."""

    kind, other_kind = "cc12m", "cc3m"
    form = "url TAB caption"

    def split(self, text: str) -> tuple[str, str]:
        """(caption, url)."""
        url, _, caption = text.partition("\t")
        return caption, url


def row_ranges(stream: IO[bytes], rows: int) -> Iterator[tuple[int, int, int]]:
    """Yield (start, end, rows) of consecutive byte ranges of `rows` rows each; the last one is shorter.

    One pass, in flat memory.
    """
    start = position = held = 0  # held: rows that ended since start
    ended = True  # whether the byte before position was a newline
    while chunk := stream.read(PLAN_CHUNK):
        newlines = np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n"))
        used = 0
        while held + len(newlines) - used >= rows:
            used += rows - held
            end = position + int(newlines[used - 1]) + 1
            yield start, end, rows
            start, held = end, 0
        held += len(newlines) - used
        position += len(chunk)
        ended = chunk.endswith(b"\n")
    held += not ended  # the last row may lack its newline
    if held:
        yield start, position, held


def _is_url(text: str) -> bool:
    return text.strip().lower().startswith(("http://", "https://"))
