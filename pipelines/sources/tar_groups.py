"""Group the members of a tar into samples: members in a row that share a key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from pipelines.sources.unpack import unpacked
from storage.read import MAX_PICTURE_BYTES
from storage.shards.tar import TarError, TarMember, TarReader

PICTURES = ("jpg", "jpeg", "png", "webp")
OTHER_PICTURES = ("gif", "bmp", "tif", "tiff", "jfif", "avif", "heic", "heif", "jxl", "jp2", "svg", "psd")
TEXTS = ("txt", "json")
# Names that writers give to the picture and the caption of a sample
PARTS = (
    *("image", "img", "picture", "photo", "input", "inputs"),
    *("caption", "captions", "text", "output", "outputs", "label", "target"),
)
MAX_TEXT_BYTES = 1024 * 1024  # of KEY.txt and KEY.json
JOINED = "members follow its end-of-archive mark; are these several tars in one file? Give each its own"
MAX_PENDING = 10_000  # keys with dots that are held back


@dataclass(slots=True)
class Group:
    """Members in a row that share a key."""

    key: str
    members: dict[str, bytes] = field(default_factory=dict)  # "image", "txt", "json"
    picture: str = ""  # the ending of the image
    too_large: str = ""  # a member over its cap, which was skipped
    broken: str | None = None  # why the tar cannot be read beyond here; then the group is incomplete

    @property
    def is_whole(self) -> bool:
        """Does it have a picture and a caption?"""
        return "image" in self.members and ("txt" in self.members or "json" in self.members)


@dataclass(frozen=True, slots=True)
class _Name:
    """A member's name, divided."""

    key: str  # up to the first dot of the last part, as webdataset divides names
    dotted_key: str  # up to the last dot; equal to the key in most tars
    ending: str  # after the last dot, lower case
    kind: str | None  # "image", "txt", "json", None for others

    @property
    def is_plain(self) -> bool:
        return self.key == self.dotted_key


def read_groups(stream: IO[bytes], picture_bytes: int = MAX_PICTURE_BYTES) -> Iterator[Group]:
    """The groups of a tar in order. If it cannot be read to its end, the last one has `broken` set.

    Pictures of over `picture_bytes` bytes are skipped. A name is divided at its first dot: ``a.seg.png`` is
    another member of ``a``. If ``a`` has no picture and no text of its own, names are divided at their last
    dot: ``22.05.jpg`` and ``22.05.txt`` are the sample ``22.05``. Names for the parts of a sample, such as
    ``a.input.jpg`` and ``a.output.txt``, make the sample ``a``.
    """
    tar: TarReader | None = None
    grouping = _Grouping(picture_bytes)
    try:
        tar = TarReader(unpacked(stream))
        for member in tar:
            yield from grouping.add(tar, member)
        goes_on = tar.goes_on()
    except TarError as error:
        yield from grouping.end(str(error))
        return
    yield from grouping.end(None)
    if goes_on:
        yield Group("", broken=JOINED)


class _Grouping:
    """The group under way, and groups with dots in their keys that may be other members of a plain one."""

    def __init__(self, picture_bytes: int) -> None:
        self._picture_bytes = picture_bytes
        self._group: Group | None = None
        self._run = ""  # the key up to the first dot of the members under way
        self._has_plain = False  # has a member of the run been divided at its only dot?
        self._pending: list[Group] = []
        self._is_divided = False  # has the run given a sample under a key with a dot?
        self._groups = 0
        self._first_other = ""  # name of the first member that belongs to no sample

    def add(self, tar: TarReader, member: TarMember) -> Iterator[Group]:
        """Take the next member; yield groups that are complete."""
        name = _divided(member.name)
        if _is_hidden(member.name):  # macOS puts ._a.jpg before a.jpg and ._a.txt before a.txt
            self._first_other = self._first_other or member.name
            return
        if name.key != self._run:
            yield from self._end_run()
            self._run = name.key
        if name.kind is None or (self._has_plain and not name.is_plain):
            self._first_other = self._first_other or member.name
            return
        if name.is_plain:
            self._has_plain = True
            if self._group is not None and self._group.key != name.key:  # a.seg.png came before a.jpg
                yield from self._close_dotted()
            self._pending.clear()
        elif self._group is not None and self._group.key != name.dotted_key:
            yield from self._close_dotted()
        if self._group is None:
            self._group = Group(name.dotted_key)
        _take(tar, member, name, self._group, self._picture_bytes)

    def end(self, broken: str | None) -> Iterator[Group]:
        """Yield the last groups; with `broken`, one that says so."""
        if broken is None:
            yield from self._end_run()
            if not self._groups and self._first_other:
                problem = f"no pictures and captions in it; its first member is {self._first_other}"
                yield Group("", broken=problem)
            return
        last, key = self._group, ""
        if last is not None and not last.is_whole:
            self._group, key = None, last.key
        yield from self._end_run()
        yield Group(key, broken=broken)

    def _close_dotted(self) -> Iterator[Group]:
        """End a group with a dot in its key: a whole one is a sample, another waits for the run's end."""
        group = self._group
        self._group = None
        if group is None:
            return
        if group.is_whole:
            self._groups += 1
            self._is_divided = True
            yield group
        else:
            if self._pending:  # neither of several is joined with another: their pictures are not needed
                _cut_picture(self._pending[0])
                _cut_picture(group)
            self._pending.append(group)
            if len(self._pending) > MAX_PENDING:
                self._is_divided = True
                yield from self._flush()

    def _end_run(self) -> Iterator[Group]:
        if len(self._pending) == 1 and self._group is not None and not self._is_divided:
            joined = _joined(self._run, self._pending[0], self._group)
            if joined is not None:
                self._pending.clear()
                self._group = joined
        self._is_divided = False
        yield from self._flush()
        if self._group is not None:
            self._groups += 1
            yield self._group
        self._group = None
        self._has_plain = False

    def _flush(self) -> Iterator[Group]:
        self._groups += len(self._pending)
        yield from self._pending
        self._pending.clear()


def _cut_picture(group: Group) -> None:
    if "image" in group.members:
        group.members["image"] = group.members["image"][:1]


def _joined(key: str, first: Group, second: Group) -> Group | None:
    """One sample of a picture and a caption that are named as parts of it; None for two halves of others."""
    if not all(group.key.rpartition(".")[2].lower() in PARTS for group in (first, second)):
        return None
    members = {**first.members, **second.members}
    joined = Group(key, members, first.picture or second.picture)
    is_apart = len(members) == len(first.members) + len(second.members)
    if is_apart and joined.is_whole and not first.too_large and not second.too_large:
        return joined
    return None


def _is_hidden(name: str) -> bool:
    return name.removeprefix("./").rpartition("/")[2].startswith(".")


def _divided(name: str) -> _Name:
    folder, slash, base = name.removeprefix("./").rpartition("/")
    key = base.partition(".")[0]
    last_key, dot, last_ending = base.rpartition(".")
    last_ending = last_ending.lower()
    kind: str | None = None
    if not dot or base.startswith("."):  # no ending, or a hidden file such as macOS adds
        last_key = key
    elif last_ending in (*PICTURES, *OTHER_PICTURES):
        kind = "image"
    elif last_ending in TEXTS:
        kind = last_ending
    return _Name(folder + slash + key, folder + slash + last_key, last_ending, kind)


def _take(tar: TarReader, member: TarMember, name: _Name, group: Group, picture_bytes: int) -> None:
    kind = name.kind or ""
    if kind in group.members and not (kind == "image" and _is_better(name.ending, group.picture)):
        return  # a second picture of one key: the first one counts
    most = MAX_TEXT_BYTES
    if kind == "image":
        most = picture_bytes
    if member.size > most:
        group.too_large = group.too_large or f"{member.name}: {member.size} bytes"
        return
    group.members[kind] = tar.read()
    if kind == "image":
        group.picture = name.ending


def _is_better(ending: str, other: str) -> bool:
    """Does a picture of a usual kind replace one of another kind?"""
    return ending in PICTURES and other not in PICTURES
