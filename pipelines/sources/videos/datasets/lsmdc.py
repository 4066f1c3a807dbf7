"""LSMDC 2016: clips of movies, in tables without a header.

``CLIP_ID <TAB> START_ALIGNED <TAB> END_ALIGNED <TAB> START_EXTRACTED <TAB> END_EXTRACTED <TAB> SENTENCE``. An
id may have several rows. The retrieval test is LSMDC16_challenge_1000_publictect.csv (the name is misspelt
where it is published), 1,000 clips with one sentence each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pipelines.sources.annotations.tables import Line, read_lines
from pipelines.sources.videos.base import BadEntry, Entry
from pipelines.sources.videos.split_files import SplitFilesSource
from schemas.records import Reason
from schemas.text import valid_text
from storage.find import FileInfo
from storage.read import open_input

COLUMNS = 6
WITHOUT_SENTENCE = 5  # of the blind test


@dataclass(slots=True)
class _Clip:
    """One clip of a movie."""

    sentences: list[str] = field(default_factory=list)
    problem: tuple[Reason, str] | None = None


class LsmdcSource(SplitFilesSource):
    """101,046 sentences to train, 7,408 to validate, 1,000 to test."""

    FILES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "train": ("LSMDC16_annos_training.csv",),
        "val": ("LSMDC16_annos_val.csv",),
        "test": ("LSMDC16_challenge_1000_publictect.csv", "LSMDC16_challenge_1000_publictest.csv"),
    }

    def entries(self) -> Iterator[Entry | BadEntry]:
        """Yield the clips in the order of their first rows."""
        clips: dict[str, _Clip] = {}
        bad: list[BadEntry] = []
        for file in self.annotation_files():
            bad += self._read(file, clips)
        if not clips:
            raise self.wrong_file("six fields, separated by tabs")
        for clip, found in clips.items():
            yield Entry(clip, tuple(found.sentences), None, self.meta(), found.problem)
        yield from bad

    def _read(self, file: FileInfo, clips: dict[str, _Clip]) -> Iterator[BadEntry]:
        with open_input(file.path) as stream:
            for line in read_lines(stream, file.size, file.path):
                fields = [part.strip() for part in line.text.rstrip("\r\n").split("\t")]
                if line.problem is not None or (len(fields) < WITHOUT_SENTENCE and any(fields)):
                    yield _bad(file.path, line, len(fields))
                elif any(fields):
                    _add(clips, fields, f"{file.path}: line {line.number}")


def _add(clips: dict[str, _Clip], fields: list[str], place: str) -> None:
    clip = clips.setdefault(valid_text(fields[0]), _Clip())
    sentence = " ".join(fields[COLUMNS - 1 :]).strip()  # a tab inside a sentence
    if sentence:
        clip.sentences.append(sentence)
    else:
        clip.problem = (Reason.MISSING_CAPTION, f"{place}: no sentence")


def _bad(path: str, line: Line, fields: int) -> BadEntry:
    reason, detail = line.problem or (
        Reason.MALFORMED_ROW,
        f"{fields} fields; an LSMDC row has {COLUMNS}, separated by tabs",
    )
    return BadEntry(reason, f"{path}: line {line.number}: {detail}")
