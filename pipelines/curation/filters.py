"""Call the `filters` of a config on one sample, cheap ones first, until one refuses it.

An entry is a built-in rule (`transforms.curation`), or a user's own function or class, ``module:name``. A
user's filter takes the reference, or the reference and the decoded `transforms.media.pictures.Picture`. It
returns None to keep the sample, or a few words that say why it is dropped. A class is made once per worker,
to load a model.

Each worker process has its own filters and calls them one at a time. A call is under the limits of its sample
(`limits`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.errors import ConfigError, JobError
from schemas.plugins import as_callable, find_plugin
from schemas.records import Reason, Reference, SampleError, Stage
from transforms.captions import choose, normalise_all
from transforms.curation.rule import Look, Rule, When, needed_size, rounded, shrunk
from transforms.media.pictures import decode, read_header
from transforms.settings import ClipSettings

Scores = MutableMapping[str, float]
Entry = str | Rule  # an import path, or a built-in rule


@dataclass(frozen=True)
class Own:
    """A user's filter."""

    path: str
    call: Callable[..., Any]
    takes_picture: bool

    @property
    def when(self) -> When:
        """The stage at which it is called."""
        if self.takes_picture:
            return When.PIXELS
        return When.CAPTION


@dataclass(frozen=True)
class Filters:
    """The filters of one worker, in the order in which they are called."""

    entries: tuple[Own | Rule, ...] = ()
    settings: ClipSettings = field(default_factory=ClipSettings)

    def at(self, *stages: When) -> list[Own | Rule]:
        """The filters of some stages: cheap stages first, and within a stage in the order of the list."""
        chosen = [entry for entry in self.entries if entry.when in stages and not _is_whole(entry)]
        return sorted(chosen, key=lambda entry: entry.when)

    @property
    def on_pictures(self) -> bool:
        """Does any filter need the encoded picture in a worker?"""
        return bool(self.at(When.HEADER, When.PIXELS, When.MODEL))

    def check_reference(self, reference: Reference, scores: Scores) -> None:
        """Call the filters that need no picture, and add their scores to `scores`.

        Raises SampleError (filtered) if one refuses the sample, and SampleError if the sample has no caption.
        """
        entries = self.at(When.CAPTION)
        if not entries:
            return
        look = None
        for entry in entries:
            if isinstance(entry, Own):
                _heed(entry.path, entry.call(reference))
                continue
            look = look or Look(caption=caption_of(reference, self.settings))
            judge(entry, entry.score(look), scores)

    def check_picture(self, reference: Reference, data: bytes, scores: Scores) -> None:
        """Call the filters that need the encoded picture `data`, and add their scores to `scores`.

        The picture is decoded only if a filter needs its pixels. Rules look at a reduced scale, and a user's
        own filters at the full one. Raises SampleError.
        """
        entries = self.at(When.HEADER, When.PIXELS, When.MODEL)
        if not entries:
            return
        limits = self.settings.pictures
        header = read_header(data, limits)
        look, full = Look(size=header.size), None
        for entry in entries:
            if isinstance(entry, Own):
                full = full or decode(data, limits, header=header)
                _heed(entry.path, entry.call(reference, full))
                continue
            if entry.when > When.HEADER and look.image_HWC is None:
                look = look_at(data, self.settings, reference)
            judge(entry, entry.score(look), scores)


def look_at(data: bytes, settings: ClipSettings, reference: Reference) -> Look:
    """Decode a picture at the scale that rules look at. Raises SampleError."""
    header = read_header(data, settings.pictures)
    picture = decode(data, settings.pictures, need=needed_size(header.size), header=header)
    small = shrunk(picture.image_HWC, min(needed_size(header.size)))
    return Look(caption_of(reference, settings), header.size, small)


def caption_of(reference: Reference, settings: ClipSettings) -> str:
    """The caption that KEY.txt will hold, without a motion phrase. Raises SampleError if there is none."""
    captions = normalise_all(reference.captions, settings.captions.max_length)
    return choose(captions, settings.captions.pick, seed=settings.seed, key=reference.key)


def judge(rule: Rule, score: float, scores: Scores) -> None:
    """Keep a score. Raises SampleError (filtered) if the rule refuses it."""
    scores[rule.label] = rounded(score)
    refusal = rule.refusal(scores[rule.label])
    if refusal is not None:
        raise refused(rule.label, refusal)


def refused(label: str, words: str) -> SampleError:
    """The error of a sample that a filter refuses."""
    return SampleError(Stage.FILTER, Reason.FILTERED, f"{label}: {words}")


def words_of(path: str, verdict: Any) -> str | None:
    """Why a user's filter drops a sample; None if it keeps it. Raises JobError for any other value."""
    if verdict is None or isinstance(verdict, str):
        return verdict
    raise JobError(
        f"filters: {path} returned {verdict!r}: return None to keep a sample, or a text that says why not"
    )


def load_filters(entries: Sequence[Entry], settings: ClipSettings) -> Filters:
    """Import a user's filters and make those that are classes; load the models of rules.

    Raises ConfigError if one is not found or takes other arguments.
    """
    return Filters(tuple(_load(entries)), settings)


def _load(entries: Sequence[Entry]) -> Iterator[Own | Rule]:
    for entry in entries:
        if isinstance(entry, str):
            found = find_filter(entry)
            call = as_callable(found)
            yield Own(entry, call, _arity(entry, call) == 2)
        else:
            yield entry.loaded()


def find_filter(path: str) -> Callable[..., Any]:
    """The function or class at ``module:name``.

    Raises ConfigError if there is none, or it takes other arguments.
    """
    found = find_plugin(path, "filters")
    if not callable(found):
        raise ConfigError(f"filters: {path} is not a function or class")
    call: Callable[..., Any] = found
    if not isinstance(found, type):
        _arity(path, call)
    return call


def takes_picture(path: str) -> bool:
    """Does a user's filter take the picture as well? Makes it if it is a class. Raises ConfigError."""
    found = find_filter(path)
    return _arity(path, as_callable(found)) == 2


def _arity(path: str, call: Callable[..., Any]) -> int:
    parameters = inspect.signature(call).parameters.values()
    needed = [
        p
        for p in parameters
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    if len(needed) not in (1, 2):
        raise ConfigError(
            f"filters: {path} takes {len(needed)} arguments: it must take (reference) or (reference, picture)"
        )
    return len(needed)


def _is_whole(entry: Own | Rule) -> bool:
    return isinstance(entry, Rule) and entry.whole


def _heed(path: str, verdict: Any) -> None:
    words = words_of(path, verdict)
    if words is not None:
        raise refused(path, words)
