"""The file system of a URI: known schemes, packages, credentials, and one-line errors with the URI."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any

import fsspec
from fsspec.spec import AbstractFileSystem

from schemas.errors import ConfigError
from schemas.text import one_line
from storage.uris import is_remote, local_path, scheme_of

GOOGLE = ("gs", "gcs")
WEB = ("http", "https", "ftp")  # fsspec can read them, but they have no listings and cannot be written
PROBE_SECONDS = 5.0  # for a bucket to answer without credentials

_options: dict[str, dict[str, Any]] = {}


def set_options(options: Mapping[str, Mapping[str, Any]]) -> None:
    """Set how this process opens each scheme: scheme -> fsspec's arguments.

    For example ``{"s3": {"endpoint_url": ...}}``. Files that are open keep their settings.
    """
    _options.clear()
    _options.update({scheme: dict(values) for scheme, values in options.items()})


def get_options() -> dict[str, dict[str, Any]]:
    """The options that `set_options` set, for the workers of a job."""
    return {scheme: dict(values) for scheme, values in _options.items()}


def filesystem(uri: str) -> tuple[AbstractFileSystem, str]:
    """The file system of a path or URI, and the path that it uses. Raises ConfigError as `check_address`.

    Instances are shared by all threads of a process, and a forked process makes new ones. Listings are not
    cached, because other processes write to the same folders.
    """
    path = local_path(uri)
    if path is not None:
        return fsspec.filesystem("file"), path
    check_address(uri)
    scheme = scheme_of(uri)
    options: dict[str, Any] = {"use_listings_cache": False, **_options.get(scheme, {})}
    if scheme not in GOOGLE:
        with as_os_error(uri):
            return fsspec.core.url_to_fs(uri, **options)
    # gcsfs's default class asks for each bucket's type over gRPC, which needs a further permission and cannot
    # fork.
    from gcsfs.core import GCSFileSystem

    # gcsfs logs tracebacks of errors that are one line here.
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)
    if _google_login(_bucket(uri)) == "anon":
        options["token"] = "anon"  # noqa: S105 - gcsfs's word for no credentials
    return GCSFileSystem(**options), GCSFileSystem._strip_protocol(uri)


def check_address(uri: str) -> None:
    """Raise ConfigError, one line, for a scheme that fsspec does not know, and as `check_access`."""
    scheme = scheme_of(uri)
    if not scheme:
        return
    check_access(uri)
    try:
        fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        raise ConfigError(f"{uri}: {scheme}:// needs a package that is not installed: {error}") from None
    except ValueError:
        raise ConfigError(
            f"{uri}: no way to open {scheme}:// addresses; give a local path or gs://bucket/..."
        ) from None


def check_folder_address(uri: str) -> None:
    """Raise ConfigError as `check_address`, and for web addresses, which cannot be listed or written."""
    parts = uri.split("::") if scheme_of(uri) else []  # fsspec opens zip://a.txt::http://server/b.zip
    scheme = next((scheme_of(part) for part in parts if scheme_of(part) in WEB), None)
    if scheme is not None:
        raise ConfigError(
            f"{uri}: no way to open {scheme}:// addresses here; download it, or give a local path or "
            "gs://bucket/..."
        )
    check_address(uri)


def check_access(uri: str) -> None:
    """Raise ConfigError, one line, for s3:// without its package and for gs:// without a login."""
    scheme = scheme_of(uri)
    if scheme == "s3" and find_spec("s3fs") is None:
        raise ConfigError(f"{uri}: s3:// needs packages that are not installed: pip install 'zoetrope[s3]'")
    if scheme in GOOGLE:
        _google_login(_bucket(uri))


def _bucket(uri: str) -> str:
    return uri.partition("://")[2].partition("/")[0]


@cache
def _google_login(bucket: str) -> str | None:
    """How to ask for a bucket: None with credentials, "anon" for a public bucket without any.

    Raises ConfigError if the bucket is not public: the clients would try for minutes.
    """
    if os.environ.get("STORAGE_EMULATOR_HOST"):  # a server for tests asks for no credentials
        return None
    import urllib.request

    import google.auth

    logging.getLogger("google.auth").setLevel(logging.ERROR)  # its warning becomes one line here
    try:
        google.auth.default()
        return None
    except google.auth.exceptions.DefaultCredentialsError:
        address = f"https://storage.googleapis.com/storage/v1/b/{bucket}/o?maxResults=1"
    try:
        urllib.request.urlopen(address, timeout=PROBE_SECONDS).close()
        return "anon"
    except OSError as error:
        raise ConfigError(
            f"gs://{bucket}: no Google Cloud credentials here, and as a public bucket it cannot be "
            f"listed ({error}); "
            "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
        ) from None


@contextmanager
def as_os_error(uri: str) -> Iterator[None]:
    """Turn the errors of a store's client, which name no path, into OSErrors that name `uri`."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        if not is_remote(uri):
            raise
        if isinstance(error, NotADirectoryError) or getattr(error, "code", None) == 404:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), uri) from None
        if _is_refused_condition(error):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), uri) from None
        for known, number in ((FileNotFoundError, errno.ENOENT), (FileExistsError, errno.EEXIST)):
            if isinstance(error, known):
                raise known(number, os.strerror(number), uri) from None
        text = one_line(error)
        raise OSError(text if uri in text else f"{uri}: {text}") from error


def _is_refused_condition(error: Exception) -> bool:
    """Did S3 refuse a conditional write?

    s3fs raises an ordinary OSError for that, with S3's own error as its cause.
    """
    answer = getattr(error.__cause__, "response", None)
    code = None
    if isinstance(answer, dict):
        code = answer.get("Error", {}).get("Code")
    return code in ("PreconditionFailed", "ConditionalRequestConflict")
