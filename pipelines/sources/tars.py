"""Tars of ``KEY.jpg|jpeg|png|webp`` + ``KEY.txt`` + ``KEY.json``, as img2dataset writes them.

One task per tar, read as a stream: in one pass, from any store, with one sample in memory. With
`source.task_bytes` large tars are split and small ones joined.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from pipelines.sources.annotations.boxes import boxes_meta
from pipelines.sources.annotations.cells import as_text, texts, url_identity
from pipelines.sources.base import Loss, Source
from pipelines.sources.config import SourceConfig
from pipelines.sources.growth.known import Known, with_marks
from pipelines.sources.growth.tar_spans import TarSpan, TarSpans
from pipelines.sources.tar_groups import Group, read_groups
from pipelines.sources.tar_sizes import estimate_samples, tasks_of_size
from schemas.json_text import JsonError, read_json
from schemas.keys import slug
from schemas.records import Failure, Reason, Reference, SampleError, Stage, Task
from schemas.text import valid_text
from storage.find import FileInfo, find_some, identity
from storage.read import open_input

CAPTION_FIELDS = ("caption", "captions", "text")  # of KEY.json
KEPT = ("original_width", "original_height", "sha256", "status")  # of KEY.json
MAX_NUMBER = 2**63  # of a kept number: records hold 64 bits


class TarsSource(Source):
    """Samples of tars, contiguous by key, in any order of keys.

    Key: the number of the tar, the position in it, and the sample's own key, which alone may repeat and does
    not sort.
    """

    config: SourceConfig

    def fingerprint(self) -> dict[str, Any]:
        """Kind, names and sizes of the tars, and the limit."""
        about = {"kind": "tars", "limit": self.config.limit, **identity(self._files())}
        if self.config.task_bytes is not None:
            about["task_bytes"] = self.config.task_bytes
        return about

    @property
    def plans_apart(self) -> bool:
        """Under a limit, for the tars are read to count their samples."""
        return self.config.limit is not None

    @property
    def reads_apart(self) -> bool:
        """Always: compressed data, headers and JSON."""
        return True

    def pieces(self, task: Task) -> Iterator[Task]:
        """One task per tar of a joined task."""
        for piece in task.payload.get("pieces", (task.payload,)):
            yield replace(task, payload=piece)

    def lose(self, task: Task, done: int) -> Loss:
        """The rest of a tar is one input, because its number of inputs is not known."""
        position = task.payload.get("first", 0) + done
        return Loss((f"tars-{task.payload['tar']:05d}-{position:06d}",), task.payload["uri"], None)

    @property
    def can_grow(self) -> bool:
        """Always: by further tars, and by those that a limit has left out."""
        return True

    def plan(self) -> Iterator[Task]:
        """A task is ``{uri, tar}``, with `task_bytes` perhaps a range of positions or several tars.

        Its number of samples is an estimate, and exact only under a limit.
        """
        return self.plan_from(Known((), 0))

    def plan_from(self, known: Known) -> Iterator[Task]:
        """Known tars, which must have their sizes; then what is left of them, and the others."""
        spans = TarSpans(self._files())
        for segment in known.segments:
            found = spans.known(segment)
            exact = any(span.stop is not None for span in found)
            yield from self._tasks(found, segment.first, exact=exact)
        if not known.grows:
            return
        room = known.room(self.config.limit)
        if room is None:
            left = list(spans.left())
            marks = [spans.mark(span) for span in left]
            yield from with_marks(self._tasks(left, known.next, exact=False), marks)
            return
        marks = []
        limited = self._limited(spans.left(), room, lambda span: marks.append(spans.mark(span)))
        yield from with_marks(self._tasks(limited, known.next, exact=True), marks)

    def _tasks(self, spans: Iterable[TarSpan], index: int, *, exact: bool) -> Iterator[Task]:
        if exact:
            for number, span in enumerate(spans, index):
                yield Task(number, (span.stop or 0) - span.first, span.payload())
            return
        spans = list(spans)
        estimates = estimate_samples([span.file for span in spans])
        if self.config.task_bytes is not None:
            yield from tasks_of_size(spans, estimates, self.config.task_bytes, index)
            return
        for number, (span, samples) in enumerate(zip(spans, estimates, strict=True), index):
            yield Task(number, max(1, samples - span.first), span.payload(), exact=False)

    def _limited(
        self, spans: Iterable[TarSpan], room: int, seen: Callable[[TarSpan], None]
    ) -> Iterator[TarSpan]:
        """Cut spans off after `room` samples, which are counted."""
        for span in spans:
            if room <= 0:
                return
            samples = self._samples(span.file.path, span.tar)
            count = sum(1 for _ in islice(samples, span.first, span.first + room))
            cut = replace(span, stop=span.first + count, whole=count < room)
            room -= count
            seen(cut)
            yield cut

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """Yield the samples of a task, and one failure for the rest of a tar that is broken."""
        for piece in self.pieces(task):
            samples = self._samples(piece.payload["uri"], piece.payload["tar"])
            first = piece.payload.get("first", 0)
            if task.exact:
                stop = first + task.samples
            else:
                stop = piece.payload.get("stop")
            yield from islice(samples, first, stop)

    def _files(self) -> list[FileInfo]:
        return find_some(self.config.uri or "", "source.uri")[: self.first_files]

    def _samples(self, uri: str, tar: int) -> Iterator[Reference | Failure]:
        seen: set[str] = set()
        self.progress(uri)
        with open_input(uri) as stream:
            for position, group in enumerate(read_groups(stream, self.picture_bytes)):
                key = f"tars-{tar:05d}-{position:06d}-{slug(group.key, 60)}".rstrip("-")
                if group.broken is not None:
                    where = ""
                    if group.key:
                        where = f", at {group.key}"
                    detail = f"{uri}: cannot be read to its end{where}: {group.broken}"
                    yield Failure(key, Stage.READ, Reason.UNREADABLE, detail)
                elif group.key in seen:
                    detail = (
                        f"{uri}: key {group.key!r} came before: its members are not contiguous, or it repeats"
                    )
                    yield Failure(key, Stage.READ, Reason.DUPLICATE_KEY, detail)
                else:
                    seen.add(group.key)
                    yield _sample(key, uri, group, self.config.boxes)


def _sample(key: str, uri: str, group: Group, boxes: str | None) -> Reference | Failure:
    about = _json(group.members.get("json", b""))
    url, identity = as_text(about.get("url")), None
    if url:
        identity = url_identity(url)
    try:
        image = _image(group, about)
        captions = tuple(_captions(group, about))
        held: dict[str, Any] = {}
        if boxes:
            held = boxes_meta(about, boxes)
    except SampleError as error:
        return error.failure(key, url)
    meta = {name: value for name in KEPT if (value := _plain(about.get(name))) is not None}
    meta |= {"tar": uri.rpartition("/")[2], "key": valid_text(group.key), **held}
    return Reference(key, captions, "tars", image=image, url=url, image_id=identity, meta=meta)


def _json(data: bytes) -> dict[str, Any]:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):  # the caption may still be in KEY.txt
        return {}
    if not isinstance(values, dict):
        return {}
    return values


def _fault(data: bytes | None) -> str:
    """Why a KEY.json gives no values, for the end of a message; nothing if it is fine or missing."""
    if data is None:
        return ""
    try:
        values = read_json(data)
    except JsonError as error:
        return f": {error}"
    if not isinstance(values, dict):
        return ": it is no object"
    return ""


def _plain(value: Any) -> int | str | None:
    """A value that a record can hold."""
    if isinstance(value, str):
        return valid_text(value)
    if isinstance(value, int) and abs(value) < MAX_NUMBER:
        return value
    return None


def _image(group: Group, about: dict[str, Any]) -> bytes:
    if group.too_large:
        raise SampleError(Stage.READ, Reason.TOO_LARGE, group.too_large)
    image = group.members.get("image")
    if image is None:
        said = (about.get(name) for name in ("error_message", "status"))
        why = next((text for text in said if isinstance(text, str) and text), "")
        raise SampleError(Stage.READ, Reason.MISSING_IMAGE, f"{group.key} has no picture {why}")
    if not image:
        raise SampleError(Stage.READ, Reason.EMPTY_BODY, f"{group.key}: an empty picture")
    return image


def _captions(group: Group, about: dict[str, Any]) -> list[str]:
    """KEY.txt, or the captions in KEY.json if it is missing or blank."""
    try:
        captions = []
        if "txt" in group.members:
            captions = [group.members["txt"].decode("utf-8-sig")]
    except UnicodeDecodeError as error:
        raise SampleError(Stage.CAPTION, Reason.NOT_UTF8, f"{group.key}.txt: byte {error.start}") from None
    held = next(filter(None, (texts(about.get(name)) for name in CAPTION_FIELDS)), [])
    if not captions and not held:
        detail = f"{group.key} has neither txt nor a caption in json"
        raise SampleError(Stage.CAPTION, Reason.MISSING_CAPTION, detail + _fault(group.members.get("json")))
    for found in (captions, held):
        if kept := [caption for caption in found if caption.strip()]:
            return kept
    raise SampleError(Stage.CAPTION, Reason.EMPTY_CAPTION, group.key)
