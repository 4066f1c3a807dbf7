"""Push a finished output to the Hugging Face hub: `zoetrope push`.

Files are sent in commits of a bounded number of files and bytes, straight from the disk. Files that the hub
has already, by sha256, are not sent again, so the same command continues a push that broke. The manifest and
README.md come with the last commit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from pipelines.publish.files import README, OutputFile, finished_files, is_stale
from pipelines.publish.hub import Hub, Known, addition, check_name, git_blob
from schemas.errors import ConfigError
from schemas.text import counted, human_bytes
from storage.local import local_copy
from storage.read import read_bytes, sha256_of
from storage.uris import join

LOG = logging.getLogger(__name__)
BRANCH = "main"
COMMIT_FILES = 100  # in one commit
COMMIT_BYTES = 10_000_000_000  # about; a commit has at least one file
SMALL = 10_000_000  # bytes of a file that git may hold itself, so that its blob id decides
LAST = 2  # files of the last commit: the manifest and README.md


@dataclass(frozen=True)
class Pushed:
    """The result of a push."""

    address: str  # of the data set's page
    sent: int  # files
    sent_bytes: int
    skipped: int  # files that were there
    removed: int
    commits: int
    private: bool


def planned(output: str, name: str) -> list[OutputFile]:
    """The files that a push would send at most. Contacts nobody. Raises ConfigError as `push`."""
    check_name(name)
    return finished_files(output)


def push(
    output: str, name: str, *, public: bool = False, revision: str = BRANCH, remove: bool = False
) -> Pushed:
    """Push an output to USER/NAME. A data set that is created is private, unless `public`.

    `remove` removes data files that the output does not have. Raises ConfigError (not finished, no token, no
    rights, other data there), JobError (connection, server), OSError (a file of the output cannot be read).
    """
    files = planned(output, name)
    hub = Hub(name, revision)
    private, there = _open(hub, public)
    stale = sorted(path for path in there if is_stale(path, {file.name for file in files}))
    if stale and not remove:
        raise ConfigError(
            f"{name}: has {stale[0]}{' and others' * (len(stale) > 1)}, which {output} does not have, and "
            "readers would take it for data; --delete removes such files, or give another name"
        )
    missing = [file for file in files if not _is_there(output, file, there.get(file.name))]
    LOG.info(
        f"{hub.address}: {counted(len(missing), 'file')} to send, "
        f"{human_bytes(sum(file.size for file in missing))}; {len(files) - len(missing)} are there"
    )
    if any(file.name == README for file in missing):
        hub.check_readme(read_bytes(join(output, README)).decode())
    commits = _batches(missing, {file.name for file in files[-LAST:]})
    if stale and not commits:
        commits = [[]]
    for number, batch in enumerate(commits, 1):
        removals = []
        if number == len(commits):
            removals = stale
        _send(hub, output, batch, removals)
        LOG.info(f"commit {number} of {len(commits)}: {counted(len(batch), 'file')}")
    sent_bytes = sum(file.size for file in missing)
    skipped = len(files) - len(missing)
    return Pushed(
        address=hub.address,
        sent=len(missing),
        sent_bytes=sent_bytes,
        skipped=skipped,
        removed=len(stale),
        commits=len(commits),
        private=private,
    )


def _open(hub: Hub, public: bool) -> tuple[bool, dict[str, Known]]:
    """Create the data set if it does not exist. Returns whether it is private, and its files."""
    private = hub.is_private()
    if private is None:
        hub.create(private=not public)
        return not public, {}
    if private == public:
        words = ("public", "private")[private]
        LOG.warning(f"{hub.name} is there and {words}; it stays {words}: its settings on the hub change that")
    return private, hub.files()


def _is_there(output: str, file: OutputFile, known: Known | None) -> bool:
    """Does the hub hold a file of this content?"""
    if known is None:
        return False
    if known.sha256 is not None:
        return known.sha256 == (file.sha256 or sha256_of(join(output, file.name)))
    return file.size <= SMALL and known.blob == git_blob(read_bytes(join(output, file.name)))


def _batches(files: Sequence[OutputFile], last: set[str]) -> list[list[OutputFile]]:
    """Divide files into commits.

    The files named in `last` come in the last commit, together, and alone if all other files were sent
    before.
    """
    batches = list(_filled([file for file in files if file.name not in last]))
    end = [file for file in files if file.name in last]
    if end:
        return [*batches, end]
    return batches


def _filled(files: Sequence[OutputFile]) -> Iterator[list[OutputFile]]:
    batch: list[OutputFile] = []
    size = 0
    for file in files:
        if batch and (len(batch) == COMMIT_FILES or size + file.size > COMMIT_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
    if batch:
        yield batch


def _send(hub: Hub, output: str, batch: Sequence[OutputFile], removals: Sequence[str]) -> None:
    with ExitStack() as copies:
        additions = []
        for file in batch:
            path = copies.enter_context(local_copy(join(output, file.name)))
            if file.sha256 is not None and sha256_of(str(path)) != file.sha256:
                raise ConfigError(
                    f"{output}: {file.name} is not what the manifest says; `zoetrope validate {output}` says "
                    "more"
                )
            additions.append(addition(file.name, str(path)))
        hub.commit(additions, _message(batch, removals), removals)


def _message(batch: Sequence[OutputFile], removals: Sequence[str]) -> str:
    parts = []
    if batch:
        parts.append(f"Add {counted(len(batch), 'file')}")
    if removals:
        parts.append(f"remove {counted(len(removals), 'file')}")
    return ", ".join(parts).capitalize() + " (zoetrope push)"
