"""A data set on the Hugging Face hub, by huggingface_hub; every error is one line that says what to do."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any

from schemas.errors import ConfigError, JobError
from schemas.text import first_few, one_line

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd

REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
KIND = "dataset"
ENDS = "run the same command again: files that are there are not sent again"


@dataclass(frozen=True)
class Known:
    """A file that the hub has."""

    sha256: str | None  # of a large file
    blob: str  # git's object id


def check_name(name: str) -> str:
    """The name of a data set. Raises ConfigError unless it is USER/NAME."""
    if not REPO.fullmatch(name) or ".." in name or "--" in name or len(name) > 96:
        raise ConfigError(
            f"{name}: no name on the hub; give USER/NAME of at most 96 letters, digits, -, _ and ."
        )
    return name


class Hub:
    """One data set on the hub. The address is HF_ENDPOINT's, the token that of `hf auth login` or HF_TOKEN.

    Methods raise ConfigError (token, rights, name) and JobError (connection, server).
    """

    def __init__(self, name: str, revision: str) -> None:
        """Find the token; the hub is not contacted. Raises ConfigError without a token."""
        from huggingface_hub import HfApi, get_token
        from huggingface_hub.utils import disable_progress_bars

        if get_token() is None:
            raise ConfigError("no Hugging Face token: run `hf auth login`, or set HF_TOKEN")
        disable_progress_bars()  # one line per commit takes their place
        self.name, self.revision = check_name(name), revision
        self._api = HfApi(library_name="zoetrope")

    @property
    def address(self) -> str:
        """Where people see it."""
        return f"{self._api.endpoint}/datasets/{self.name}"

    def is_private(self) -> bool | None:
        """Is the data set private? None if there is none."""
        from huggingface_hub.errors import RepositoryNotFoundError

        with self._errors():
            try:
                return bool(self._api.repo_info(self.name, repo_type=KIND).private)
            except RepositoryNotFoundError:
                return None

    def create(self, *, private: bool) -> None:
        """Create the data set."""
        with self._errors():
            self._api.create_repo(self.name, repo_type=KIND, private=private)

    def check_readme(self, text: str) -> None:
        """Let the hub check the front matter before anything is sent."""
        from huggingface_hub import RepoCard

        with self._errors():
            RepoCard(text).validate(repo_type=KIND)

    def files(self) -> dict[str, Known]:
        """The files that are there, by path."""
        from huggingface_hub.hf_api import RepoFile

        with self._errors():
            entries = self._api.list_repo_tree(
                self.name, repo_type=KIND, revision=self.revision, recursive=True
            )
            return {
                entry.path: Known(entry.lfs.sha256 if entry.lfs else None, entry.blob_id)
                for entry in entries
                if isinstance(entry, RepoFile)
            }

    def commit(
        self, additions: Sequence[CommitOperationAdd], message: str, removals: Iterable[str] = ()
    ) -> None:
        """Send files, streamed from the disk, and make them visible in one commit."""
        from huggingface_hub import CommitOperationDelete

        deletions = (CommitOperationDelete(path) for path in removals)
        with self._errors():
            self._api.create_commit(
                self.name,
                [*additions, *deletions],
                commit_message=message,
                repo_type=KIND,
                revision=self.revision,
            )
        ignored = [file.path_in_repo for file in additions if file._should_ignore]
        if ignored:
            raise ConfigError(
                f"{self.name}: the hub left out {first_few(ignored)}, by .gitignore of the data set; remove "
                "that file there, and run the same command again"
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from huggingface_hub.errors import OfflineModeIsEnabled

        from pipelines.publish.session import bounded_clients

        try:
            with bounded_clients(self._api.endpoint):
                yield
        except OfflineModeIsEnabled:
            raise ConfigError("HF_HUB_OFFLINE is set, so the hub cannot be asked; unset it") from None
        except Exception as error:  # of an answer that is none of a hub, huggingface_hub raises anything
            raise self._in_one_line(error) from error

    def _in_one_line(self, error: Exception) -> Exception:
        """The error as ConfigError or JobError. Failed uploads have their cause below a RuntimeError."""
        from huggingface_hub.errors import HfHubHTTPError, HTTPError

        from pipelines.publish.session import RefusedAnswerError

        refused = _below(error, RefusedAnswerError)
        if refused is not None:
            return JobError(f"{self.name}: {refused}; {ENDS}")
        found = _below(error, HfHubHTTPError)
        status = None
        if isinstance(found, HfHubHTTPError):
            status = found.response.status_code
        if status == 401:
            return ConfigError(
                f"{self.name}: the hub does not accept the token (401); run `hf auth login`, or set HF_TOKEN"
            )
        if status == 403:
            return ConfigError(
                f"{self.name}: the token may not write there (403); make a token with write access, or give "
                "a name of your own"
            )
        if status == 404:
            return ConfigError(
                f"{self.name}: the hub has no such data set or branch (404); check the name and --revision"
            )
        if isinstance(error, ValueError) and not isinstance(error, JSONDecodeError):
            return ConfigError(f"{self.name}: the hub refuses it: {one_line(error, 400)}")
        if isinstance(found, HfHubHTTPError):
            said = one_line(found.server_message or found, 200)
            return JobError(f"{self.name}: the hub answered {status} ({said}); {ENDS}")
        if not isinstance(error, (HTTPError, OSError, RuntimeError)) or isinstance(error, RecursionError):
            return JobError(
                f"{self.name}: an answer of {self._api.endpoint} is none of a hub "
                f"({type(error).__name__}: {one_line(error, 200)}); is HF_ENDPOINT right?"
            )
        return JobError(
            f"{self.name}: the connection to the hub broke ({one_line(_root(error), 200)}); {ENDS}"
        )


def _below(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    """The first error of a kind in a chain of causes."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error


def _root(error: BaseException) -> BaseException:
    """The error at the bottom of a chain, which says what happened."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def git_blob(data: bytes) -> str:
    """git's object id of a small file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def addition(name: str, path: str) -> Any:
    """A file on this disk that is to be sent."""
    from huggingface_hub import CommitOperationAdd

    return CommitOperationAdd(path_in_repo=name, path_or_fileobj=path)
